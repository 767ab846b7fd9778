package cluster_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/millrace/millrace/tests/cluster"
)

// TestThreeNodesAreOne: what is set up and published on one node is there on each, also on one that
// was away, and on one whose data is gone.
func TestThreeNodesAreOne(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Config{Nodes: 3})
	first := c.Nodes[0]
	setUp(t, first.URL, c.Token)
	publish := func(n *cluster.Node, data string) {
		t.Helper()
		await(t, func() bool {
			resp := do(t, c.Token, http.MethodPost, n.URL+"/v1/tenants/acme/events/news", data, "Idempotency-Key", data)
			defer resp.Body.Close()
			status := resp.StatusCode
			if status != http.StatusCreated && status != http.StatusServiceUnavailable {
				t.Fatalf("publish on %s: %d", n.Name, status)
			}
			return status == http.StatusCreated
		})
	}
	var all []string
	check := func() {
		t.Helper()
		for _, n := range c.Nodes {
			stream := openStream(t, n.URL)
			for _, want := range all {
				if e, err := stream.Next(); e.Data != want || err != nil {
					t.Fatalf("node %s brings %q, %v; want %q", n.Name, e.Data, err, want)
				}
			}
		}
	}
	for i, n := range c.Nodes {
		all = append(all, fmt.Sprintf("event %d", i))
		publish(n, all[i])
	}
	check()
	for i, n := range c.Nodes {
		n.Kill()
		if i == 1 {
			n.Wipe()
		}
		all = append(all, "without "+n.Name)
		publish(c.Nodes[(i+1)%len(c.Nodes)], "without "+n.Name)
		n.Restart()
		c.AwaitReady()
		check()
	}
}
