package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/web"
)

const adminToken = "the-operators-token-of-these-tests"

// node is a whole server on a loopback port, with its real broker and host.
type node struct {
	t      testing.TB
	url    string
	client *http.Client
	broker *broker.Broker
	host   *host.Host // of all nodes, but for those that have one of their own
	idle   int        // instances that the host had when the node began
	web    *web.Server
	stop   func() // drains and waits; may be called twice
}

func startNode(t testing.TB, c web.Config) *node {
	t.Helper()
	return startNodeIn(t, t.TempDir(), c)
}

// startNodeIn starts a node on a data folder, which may be another's before it.
func startNodeIn(t testing.TB, dir string, c web.Config) *node {
	t.Helper()
	return startNodeOf(t, broker.Config{Dir: dir}, sharedHost(t), c)
}

// startNodeWith starts a node with a host of its own, which is as hc says, where that says something.
func startNodeWith(t testing.TB, dir string, hc host.Config, c web.Config) *node {
	t.Helper()
	hc.Logger = warnings(t)
	own := newHost(t, hc)
	n := startNodeOf(t, broker.Config{Dir: dir}, own, c)
	stop := n.stop
	n.stop = sync.OnceFunc(func() {
		stop()
		if err := own.Close(context.Background()); err != nil {
			t.Errorf("host: %v", err)
		}
	})
	t.Cleanup(n.stop)
	return n
}

func newHost(t testing.TB, hc host.Config) *host.Host {
	t.Helper()
	hc.CacheDir, hc.Compiler, hc.EventTimeout = cacheDir(t), compiler(t), 10*time.Second
	h, err := host.New(context.Background(), hc)
	check(t, err)
	return h
}

func warnings(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// startNodeOf starts a node.
func startNodeOf(t testing.TB, bc broker.Config, h *host.Host, c web.Config) *node {
	t.Helper()
	n := &node{t: t, host: h, idle: int(h.Stats().Instances)}
	logger := warnings(t)
	var err error
	var server *web.Server
	bc.Logger = logger
	if bc.Changed == nil {
		bc.Changed = func(tenant string) { server.Changed(tenant) }
	}
	n.broker, err = broker.New(bc)
	check(t, err)
	c.Broker, c.Host, c.AdminToken, c.Logger = n.broker, n.host, adminToken, logger
	if c.Drain == 0 {
		c.Drain = time.Millisecond
	}
	server, err = web.New(c)
	check(t, err)
	n.web = server

	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	n.url, n.client = "http://"+l.Addr().String(), http.DefaultClient
	if c.CertFile != "" {
		n.url, n.client = "https://"+l.Addr().String(), trusting(t, c.CertFile)
	}
	brokerCtx, stopBroker := context.WithCancel(context.Background())
	webCtx, stopWeb := context.WithCancel(context.Background())
	var brokerDone, webDone = make(chan error, 1), make(chan error, 1)
	go func() { brokerDone <- n.broker.Run(brokerCtx) }()
	select {
	case <-n.broker.Ready():
	case err := <-brokerDone:
		t.Fatal(err)
	}
	go func() { webDone <- n.web.Run(webCtx, l) }()
	n.stop = sync.OnceFunc(func() {
		stopWeb()
		if err := <-webDone; err != nil {
			t.Errorf("web: %v", err)
		}
		stopBroker()
		if err := <-brokerDone; err != nil {
			t.Errorf("broker: %v", err)
		}
	})
	t.Cleanup(n.stop)
	n.eventually("readiness", func() bool { return n.status("GET", "/readyz", "", nil) == 200 })
	return n
}

// instances are how many plugin instances live since the node began. Those that were idle by then may
// have been let go.
func (n *node) instances() int { return int(n.host.Stats().Instances) - n.idle }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition, up to a time that only a hang needs.
func (n *node) eventually(what string, ok func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			n.t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// do sends one request; body is sent as it is if it is bytes or a string, else as JSON.
func (n *node) do(method, path, token string, body any) (*http.Response, []byte) {
	n.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		r = bytes.NewReader(b)
	case string:
		r = strings.NewReader(b)
	default:
		doc, err := json.Marshal(body)
		check(n.t, err)
		r = bytes.NewReader(doc)
	}
	req, err := http.NewRequest(method, n.url+path, r)
	check(n.t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if b, ok := body.([]byte); ok && bytes.HasPrefix(b, []byte("\x00asm")) {
		req.Header.Set("Content-Type", "application/wasm")
	}
	resp, err := n.client.Do(req)
	check(n.t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	check(n.t, err)
	return resp, got
}

func (n *node) status(method, path, token string, body any) int {
	n.t.Helper()
	resp, _ := n.do(method, path, token, body)
	return resp.StatusCode
}

// must is do as the operator, which must succeed; the answer is decoded into out unless that is nil.
func (n *node) must(method, path string, body, out any) {
	n.t.Helper()
	resp, got := n.do(method, path, adminToken, body)
	if resp.StatusCode >= 300 {
		n.t.Fatalf("%s %s: %s: %s", method, path, resp.Status, got)
	}
	if out != nil {
		check(n.t, json.Unmarshal(got, out))
	}
}

// token makes a tenant's token.
func (n *node) token(tenant string, subjects []string, scopes ...string) (id, secret string) {
	n.t.Helper()
	var out struct{ ID, Token string }
	n.must("POST", "/v1/tenants/"+tenant+"/tokens", map[string]any{"name": "test", "scopes": scopes, "subjects": subjects}, &out)
	return out.ID, out.Token
}

func (n *node) publish(tenant, subject, data string) (id string) {
	n.t.Helper()
	var out struct{ ID string }
	n.must("POST", "/v1/tenants/"+tenant+"/events/"+subject, data, &out)
	return out.ID
}

// route is a public route with what is given besides.
func (n *node) route(tenant, name, path string, more map[string]any) {
	n.t.Helper()
	spec := map[string]any{"path": path, "access": "public"}
	for k, v := range more {
		spec[k] = v
	}
	n.must("PUT", "/v1/tenants/"+tenant+"/routes/"+name, spec, nil)
}

func newReader(r io.Reader) *sse.Reader { return sse.NewReader(r, 4<<20) }

// viewer is an open stream.
type viewer struct {
	t      testing.TB
	resp   *http.Response
	reader *sse.Reader
	raw    *bytes.Buffer // all that was read so far
	leave  context.CancelFunc
}

// open opens a stream, with headers as pairs; a status other than 200 ends the test.
func (n *node) open(path string, headers ...string) *viewer {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	n.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", n.url+path, nil)
	check(n.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := n.client.Do(req)
	check(n.t, err)
	if resp.StatusCode != 200 {
		body, _ := io.ReadAll(resp.Body)
		n.t.Fatalf("GET %s: %s: %s", path, resp.Status, body)
	}
	raw := &bytes.Buffer{}
	return &viewer{n.t, resp, newReader(io.TeeReader(resp.Body, raw)), raw, cancel}
}

// next is the next event; the stream must not have ended.
func (v *viewer) next() abi.Event {
	v.t.Helper()
	e, err := v.reader.Next()
	if err != nil {
		v.t.Fatalf("stream ended with %v after %q", err, tailOf(v.raw.String()))
	}
	return e
}

// want reads events and compares their data.
func (v *viewer) want(data ...string) {
	v.t.Helper()
	for _, w := range data {
		if e := v.next(); e.Data != w {
			v.t.Fatalf("event %q (name %q, id %q), want data %q", e.Data, e.Name, e.ID, w)
		}
	}
}

// ended reads to the end of the stream, which must come and bring no event.
func (v *viewer) ended() {
	v.t.Helper()
	if e, err := v.reader.Next(); !errors.Is(err, io.EOF) {
		v.t.Fatalf("event %+v, error %v; want the end of the stream", e, err)
	}
}

func tailOf(s string) string { return s[max(0, len(s)-300):] }

var (
	buildMu sync.Mutex
	built   = map[string][]byte{}
	shared  *host.Host                  // by all nodes, so that each plugin is prepared once
	kept    = map[string]*host.Plugin{} // by name, in shared
	tempDir string
)

// sharedHost is the host of nodes that have none of their own.
func sharedHost(t testing.TB) *host.Host {
	t.Helper()
	buildMu.Lock()
	defer buildMu.Unlock()
	if shared == nil {
		shared = newHost(t, host.Config{Logger: slog.New(slog.DiscardHandler)})
	}
	return shared
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "millrace-web-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	tempDir = dir
	code := m.Run()
	if shared != nil {
		for _, p := range kept {
			p.Release()
		}
		if err := shared.Close(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// cacheDir keeps compiled plugins between the tests of one run.
func cacheDir(t testing.TB) string {
	dir := filepath.Join(tempDir, "cache")
	check(t, os.MkdirAll(dir, 0o700))
	return dir
}

// compiler builds what compiles plugins.
func compiler(t testing.TB) []string {
	t.Helper()
	path := filepath.Join(tempDir, "compiler.exe")
	if _, err := os.Stat(path); err == nil {
		return []string{path}
	}
	if text, err := exec.Command("go", "test", "-c", "-o", path, "./testdata/compiler").CombinedOutput(); err != nil {
		t.Fatalf("build the compiler: %v\n%s", err, text)
	}
	return []string{path}
}

// guestModule builds testdata/name, and keeps it prepared for the nodes that share a host.
func guestModule(t testing.TB, name string) []byte {
	t.Helper()
	h := sharedHost(t)
	buildMu.Lock()
	defer buildMu.Unlock()
	if b := built[name]; b != nil {
		return b
	}
	out := filepath.Join(tempDir, name+".wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./testdata/"+name)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, text)
	}
	b, err := os.ReadFile(out)
	check(t, err)
	p, err := h.Prepare(context.Background(), b)
	check(t, err)
	built[name], kept[name] = b, p
	return b
}
