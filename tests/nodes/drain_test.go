// Package nodes uses three nodes behind a balancer as their operator does.
package nodes

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/tests/cluster"
)

// TestANodeIsTakenOutAndBack drains one of three nodes by the command line, through the balancer, while
// viewers are on it. They end orderly, come back through the balancer to other nodes and miss nothing.
// Then the node is stopped without a viewer, and the balancer must have seen that before it is gone.
func TestANodeIsTakenOutAndBack(t *testing.T) {
	const viewers = 20
	c := cluster.Start(t, cluster.Config{Nodes: 3, Flags: []string{"--drain", "4s"}})
	b := c.Balance()
	setUp(t, b.URL, c.Token)
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
	if err := json.Unmarshal([]byte(must(t, c.Token, http.MethodGet, b.URL+"/v1/nodes/n2", "")), &n); err != nil || !n.Draining || n.Ready || n.Viewers > 0 {
		t.Errorf("after it the node is %+v, %v", n, err)
	}
	await(t, func() bool { return b.Ready(t) == 2 })
	must(t, c.Token, http.MethodPost, n2.URL+"/v1/tenants/acme/events/news", "two") // it still takes what comes
	for _, s := range streams {
		ended(t, s)
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
