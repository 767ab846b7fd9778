package main

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// output collects what a command prints and lets a test wait for it.
type output struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{}, 1)} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.changed <- struct{}{}:
	default:
	}
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until text was printed and returns all that was. It gives up after two minutes of
// silence.
func (o *output) await(t *testing.T, text string) string {
	t.Helper()
	for {
		if s := o.String(); strings.Contains(s, text) {
			return s
		}
		select {
		case <-o.changed:
		case <-time.After(2 * time.Minute):
			t.Fatalf("%q is not printed in\n%s", text, o.String())
		}
	}
}

// start runs a command that goes on until stop, which wants it to end well.
func start(t *testing.T, args ...string) (out *output, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out = newOutput()
	done := make(chan int, 1)
	go func() { done <- run(ctx, args, &console{in: strings.NewReader(""), out: out, err: out}) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if status := <-done; status != exitOK {
			t.Errorf("millrace %s: status %d\n%s", strings.Join(args, " "), status, out)
		}
	})
	t.Cleanup(stop)
	return out, stop
}

func TestTailFollowsAcrossARestart(t *testing.T) {
	t.Chdir(t.TempDir())
	address := freeAddress(t)
	server, stopServer := start(t, "serve", "--listen", address, "--drain", "100ms")
	server.await(t, "Millrace serves http://"+address)
	makeTenant(t, "http://"+address, "acme")
	client := []string{"--tenant", "acme", "--server", "http://" + address}
	publish := func(data string) {
		t.Helper()
		if status, _, stderr := try(t, append([]string{"publish", "news.today", data}, client...)...); status != exitOK {
			t.Fatalf("publish %s: status %d\n%s", data, status, stderr)
		}
	}
	publish("one")
	tail, stopTail := start(t, append([]string{"tail", "news.>", "--from", "earliest"}, client...)...)
	tail.await(t, "one\n")
	publish("two")
	tail.await(t, "two\n")
	stopServer()
	server, stopServer = start(t, "serve", "--listen", address, "--drain", "100ms")
	server.await(t, "Millrace serves")
	publish("three")
	tail.await(t, "three\n")
	stopTail()
	var events []string
	for line := range strings.Lines(tail.String()) {
		if !strings.HasPrefix(line, "millrace: ") {
			events = append(events, strings.TrimSpace(line))
		}
	}
	if got := strings.Join(events, " "); got != "one two three" {
		t.Errorf("tail printed %s, want each event once and in order", got)
	}
	stopServer()
}

// freeAddress is an address of this machine that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func makeTenant(t *testing.T, server, name string) {
	t.Helper()
	token, err := readAdminToken(filepath.Join(defaultData, adminTokenFile))
	if err != nil {
		t.Fatal(err)
	}
	c, err := serverFlags{Server: server, Token: token}.client(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.do(t.Context(), call{method: http.MethodPut, json: struct{}{}}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestATakenAddressIsToldWithWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, command := range []string{"demo", "serve"} {
		args := []string{command, "--listen", l.Addr().String()}
		if command == "serve" {
			args = append(args, "--data", t.TempDir())
		}
		status, _, stderr := try(t, args...)
		if status != exitFailed || !strings.Contains(stderr, "is taken") || !strings.Contains(stderr, "--listen") {
			t.Errorf("%s: status %d\n%s", command, status, stderr)
		}
	}
}
