package cluster_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/tests/cluster"
	"github.com/millrace/millrace/tests/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// do sends a request as the operator. Whoever calls closes the body.
func do(t *testing.T, token, method, url, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Timeout: time.Minute} // of streams too
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// call sends a request as the operator and returns its status.
func call(t *testing.T, token, method, url, body string) (status int, answer string) {
	t.Helper()
	resp := do(t, token, method, url, body)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func must(t *testing.T, token, method, url, body string) {
	t.Helper()
	if status, answer := call(t, token, method, url, body); status/100 != 2 {
		t.Fatalf("%s %s: %d: %s", method, url, status, answer)
	}
}

// setUp makes a tenant with a public stream.
func setUp(t *testing.T, base, token string) {
	t.Helper()
	must(t, token, http.MethodPut, base+"/v1/tenants/acme", "")
	must(t, token, http.MethodPut, base+"/v1/tenants/acme/routes/news", `{"path": "/news", "subjects": ["news"], "access": "public"}`)
}

// openStream opens the stream as an EventSource does. It is closed with the test.
func openStream(t *testing.T, base string) *sse.Reader {
	t.Helper()
	resp := do(t, "", http.MethodGet, base+"/t/acme/news?last_event_id=earliest", "", "Accept", "text/event-stream")
	t.Cleanup(func() { resp.Body.Close() })
	if typ := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(typ, "text/event-stream") {
		t.Fatalf("the stream is answered with %s, %s: an EventSource gives up", resp.Status, typ)
	}
	return sse.NewReader(resp.Body, 0)
}

// TestNobodyGivesUpWhileAllNodesAreGone: an EventSource is told to come back, any other client that
// there is no node.
func TestNobodyGivesUpWhileAllNodesAreGone(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Config{})
	b := c.Balance()
	setUp(t, b.URL, c.Token)
	must(t, c.Token, http.MethodPost, b.URL+"/v1/tenants/acme/events/news", "one")
	c.Nodes[0].Kill()

	stream := openStream(t, b.URL)
	if e, err := stream.Next(); err != io.EOF {
		t.Errorf("the stream brings %+v, %v; want its end", e, err)
	}
	if retry, ok := stream.Retry(); !ok || retry != 2*time.Second {
		t.Errorf("the viewer comes back after %s, %v; want 2s", retry, ok)
	}
	if status, _ := call(t, c.Token, http.MethodPost, b.URL+"/v1/tenants/acme/events/news", "two"); status != http.StatusServiceUnavailable {
		t.Errorf("a publisher is answered with %d, want 503", status)
	}

	c.Nodes[0].Restart()
	c.AwaitReady()
	await(t, func() bool {
		status, _ := call(t, c.Token, http.MethodPost, b.URL+"/v1/tenants/acme/events/news", "three")
		return status == http.StatusCreated
	})
	stream = openStream(t, b.URL)
	for _, want := range []string{"one", "three"} {
		if e, err := stream.Next(); e.Data != want || err != nil {
			t.Errorf("received %q, %v; want %q", e.Data, err, want)
		}
	}
}

// TestAHungNodeLosesItsViewers: the balancer cuts the streams of a node that is stopped, which nobody
// else would notice, and the viewer's next stream is another node's.
func TestAHungNodeLosesItsViewers(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Config{Nodes: 2, Alone: true})
	b := c.Balance()
	for _, n := range c.Nodes {
		setUp(t, n.URL, n.Token)
		must(t, n.Token, http.MethodPost, n.URL+"/v1/tenants/acme/events/news", n.Name)
	}
	stream := openStream(t, b.URL)
	first, err := stream.Next()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(c.Nodes, func(n *cluster.Node) bool { return n.Name == first.Data })
	if at < 0 {
		t.Fatalf("the stream brings %q, which is no node", first.Data)
	}
	c.Nodes[at].Pause()
	if e, err := stream.Next(); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the stream of a stopped node goes on: %+v, %v", e, err)
	}
	stream = openStream(t, b.URL)
	second, err := stream.Next()
	if err != nil || second.Data == first.Data {
		t.Errorf("the next stream is that of %q, %v; want the other node's", second.Data, err)
	}
	c.Nodes[at].Resume()
	c.AwaitReady()
}

// TestADrainingNodeHandsOver stops one node after the other. Its viewers get their orderly end from
// the node and not from the balancer, and whoever asks meanwhile is answered by the other.
func TestADrainingNodeHandsOver(t *testing.T) {
	t.Parallel()
	const viewers = 30
	c := cluster.Start(t, cluster.Config{Nodes: 2, Alone: true, Flags: []string{"--drain", "3s"}})
	b := c.Balance()
	for _, n := range c.Nodes {
		setUp(t, n.URL, n.Token)
	}
	for i, n := range c.Nodes {
		await(t, func() bool { return b.Ready(t) == len(c.Nodes) })
		ends := make(chan end, viewers)
		for range viewers {
			stream := openStream(t, b.URL)
			go func() { ends <- endOf(stream) }()
		}
		n.Terminate()
		await(t, func() bool { return b.Ready(t) == 1 })
		await(t, func() bool {
			if status, answer := call(t, "", http.MethodGet, b.URL+"/healthz", ""); status != http.StatusOK {
				t.Errorf("while node %s drains a request is answered with %d: %s", n.Name, status, answer)
			}
			return n.HasEnded()
		})
		if status := n.Wait(); status != 0 {
			t.Errorf("node %s ends with status %d", n.Name, status)
		}
		other := c.Nodes[1-i]
		must(t, other.Token, http.MethodPost, other.URL+"/v1/tenants/acme/events/news", "still here")
		ended := 0
		for range viewers {
			e := <-ends
			switch {
			case e.err == nil && e.data == "still here":
			case e.err == io.EOF && e.told:
				ended++
			default:
				t.Errorf("a viewer's stream brings %q and ends with %v, told when to come back: %v", e.data, e.err, e.told)
			}
		}
		if ended == 0 || ended == viewers {
			t.Errorf("%d of %d viewers were the node's", ended, viewers)
		}
		must(t, other.Token, http.MethodDelete, other.URL+"/v1/tenants/acme", "")
		setUp(t, other.URL, other.Token)
		n.Restart()
		c.AwaitReady()
	}
}

// end is what a stream brings first: an event or its end.
type end struct {
	data string
	err  error
	told bool // when to come back
}

func endOf(stream *sse.Reader) end {
	e, err := stream.Next()
	_, told := stream.Retry()
	return end{e.Data, err, told}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.After(3 * time.Minute)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !done() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatal("waited in vain for three minutes")
		}
	}
}
