// Package nodes uses three nodes behind a balancer as their operator does.
package nodes

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/tests/cluster"
	"github.com/millrace/millrace/tests/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// TestANodeIsTakenOutAndBack drains one of three nodes by the command line, through the balancer, while
// viewers are on it. They end orderly, come back through the balancer to other nodes and miss nothing.
// Then the node is stopped without a viewer, and the balancer must have seen that before it is gone.
func TestANodeIsTakenOutAndBack(t *testing.T) {
	const viewers = 20
	c := cluster.Start(t, cluster.Config{Nodes: 3, Flags: []string{"--drain", "2s"}})
	b := c.Balance()
	do := func(method, url, body string) (answer string) {
		t.Helper()
		status, answer := request(t, c.Token, method, url, body)
		if status/100 != 2 {
			t.Fatalf("%s %s: %d: %s", method, url, status, answer)
		}
		return answer
	}
	do(http.MethodPut, b.URL+"/v1/tenants/acme", "")
	do(http.MethodPut, b.URL+"/v1/tenants/acme/routes/news", `{"path": "/news", "subjects": ["news"], "access": "public"}`)
	do(http.MethodPost, b.URL+"/v1/tenants/acme/events/news", "one")
	n2 := c.Nodes[1]
	var streams []*sse.Reader
	for range viewers {
		s := open(t, n2.URL, "earliest")
		want(t, s, "one")
		streams = append(streams, s)
	}
	if out := millrace(t, b.URL, c.Token, "nodes"); strings.Count(out, " ready ") != 3 {
		t.Errorf("before the drain there are\n%s", out)
	}
	if out := millrace(t, b.URL, c.Token, "drain", "n2"); !strings.Contains(out, "n2 is empty") {
		t.Errorf("drain says %s", out)
	}
	var n struct {
		Draining, Ready bool
		Viewers         int
	}
	if err := json.Unmarshal([]byte(do(http.MethodGet, b.URL+"/v1/nodes/n2", "")), &n); err != nil || !n.Draining || n.Ready || n.Viewers > 0 {
		t.Errorf("after it the node is %+v, %v", n, err)
	}
	await(t, func() bool { return b.Ready(t) == 2 })
	do(http.MethodPost, n2.URL+"/v1/tenants/acme/events/news", "two") // it still takes what comes
	for _, s := range streams {
		if e, err := s.Next(); err != io.EOF {
			t.Fatalf("a viewer of the node gets %+v, %v; want the end", e, err)
		}
		if _, told := s.Retry(); !told {
			t.Error("a viewer is not told when to come back")
		}
		want(t, open(t, b.URL, s.LastEventID()), "two")
	}
	millrace(t, b.URL, c.Token, "drain", "--undo", "n2")
	await(t, func() bool { return b.Ready(t) == 3 })
	want(t, open(t, n2.URL, "earliest"), "one")

	n3 := c.Nodes[2]
	n3.Terminate()
	await(t, func() bool { return b.Ready(t) == 2 })
	if n3.HasEnded() {
		t.Error("a node without viewers was gone before the balancer had seen it drain")
	}
	if status := n3.Wait(); status != 0 {
		t.Errorf("it ends with status %d", status)
	}
	await(t, func() bool {
		out := millrace(t, b.URL, c.Token, "nodes")
		return strings.Contains(out, "gone") && strings.Count(out, " ready ") == 2
	})
	n3.Restart()
	c.AwaitReady()
}

func request(t *testing.T, token, method, url, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// open opens the stream as an EventSource does that has an id.
func open(t *testing.T, base, id string) *sse.Reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/t/acme/news", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Last-Event-ID", id)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the stream is answered with %s: an EventSource gives up", resp.Status)
	}
	return sse.NewReader(resp.Body, 0)
}

func want(t *testing.T, s *sse.Reader, data string) {
	t.Helper()
	if e, err := s.Next(); e.Data != data || err != nil {
		t.Fatalf("the stream brings %q, %v; want %q", e.Data, err, data)
	}
}

// millrace runs the program against a server, and returns all that it prints.
func millrace(t *testing.T, server, token string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program.Binary(), args...)
	cmd.Env = append(os.Environ(), "MILLRACE_SERVER="+server, "MILLRACE_TOKEN="+token)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("millrace %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for a minute")
		}
	}
}
