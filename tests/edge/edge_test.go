// Package edge tests nodes that keep no data: they join a cluster, do all that its other nodes do for
// those who call, and leave it, and nothing hangs on them.
package edge

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/tests/cluster"
	"github.com/millrace/millrace/tests/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// TestEdge has three nodes that keep data and two that do not. A viewer moves between them as they are
// killed, while events are published on all.
func TestEdge(t *testing.T) {
	c := cluster.Start(t, cluster.Config{Nodes: 5, Edges: 2})
	core, edge, other := c.Nodes[0], c.Nodes[3], c.Nodes[4]
	client := &client{t, c.Token}

	// All is set up on one edge, and served by the other and by a core.
	client.must(http.MethodPut, edge.URL+"/v1/tenants/acme", "")
	client.must(http.MethodPut, edge.URL+"/v1/tenants/acme/plugins/redact", string(program.Plugin(t, "redact")))
	client.must(http.MethodPut, edge.URL+"/v1/tenants/acme/routes/news", `{"path": "/news", "subjects": ["news"], "access": "public"}`)
	client.must(http.MethodPut, edge.URL+"/v1/tenants/acme/routes/redacted", `{"path": "/redacted", "subjects": ["news"], "access": "public", "plugin": "redact"}`)
	client.must(http.MethodPut, edge.URL+"/v1/tenants/acme/secrets/key", "secret")
	first := client.publish(core.URL, "card 4242424242424242")
	for _, n := range []*cluster.Node{core, edge, other} {
		client.served(n.URL + "/t/acme/redacted")
		if got := client.open(n.URL+"/t/acme/redacted", "").next(); strings.Contains(got.Data, "4242424242424242") {
			t.Errorf("node %s does not run the plugin: %q", n.Name, got.Data)
		}
	}

	// The viewer follows on the edge, goes on on a core when that is killed, and comes back to it.
	var sent, seen []string
	viewer := client.open(edge.URL+"/t/acme/news", first)
	publish := func(nodes ...*cluster.Node) {
		t.Helper()
		for range 20 {
			for _, n := range nodes {
				sent = append(sent, fmt.Sprint("event ", len(sent)))
				client.publish(n.URL, sent[len(sent)-1])
			}
		}
	}
	follow := func() {
		t.Helper()
		for len(seen) < len(sent) {
			seen = append(seen, viewer.next().Data)
		}
	}
	publish(core, edge, other)
	follow()
	edge.Kill()
	publish(core, other)
	viewer = client.open(core.URL+"/t/acme/news", viewer.last)
	follow()
	publish(core, other)
	edge.Restart()
	c.AwaitReady()
	viewer = client.open(edge.URL+"/t/acme/news", viewer.last)
	publish(core, edge, other)
	follow()

	// No edge counts for a majority: without both, and without one of the three, all goes on.
	edge.Kill()
	other.Kill()
	c.Nodes[1].Kill()
	viewer = client.open(core.URL+"/t/acme/news", viewer.last)
	publish(core, c.Nodes[2])
	follow()
	client.until2xx(http.MethodPut, core.URL+"/v1/tenants/later")
	if !slices.Equal(seen, sent) {
		t.Errorf("the viewer has %q, published was %q", seen, sent)
	}
	for _, n := range c.Nodes {
		if keeps := n.Stores(); keeps == (n == edge || n == other) {
			t.Errorf("node %s keeps streams: %v", n.Name, keeps)
		}
	}
}
