//go:build cluster

package faults

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/cluster"
	"github.com/millrace/millrace/tests/faults/link"
	"github.com/millrace/millrace/tests/faults/workload"
)

// fault is something that befalls one node, and ends.
type fault struct {
	name string
	do   func(c *cluster.Cluster, node int, lasts time.Duration)
}

var blocked = link.Quality{Blocked: true}

var faults = []fault{
	{"killed", func(c *cluster.Cluster, node int, _ time.Duration) {
		c.Nodes[node].Kill()
		c.Nodes[node].Restart()
	}},
	{"gone for a while", func(c *cluster.Cluster, node int, lasts time.Duration) {
		c.Nodes[node].Kill()
		wait(lasts)
		c.Nodes[node].Restart()
	}},
	{"killed and its data lost", func(c *cluster.Cluster, node int, _ time.Duration) {
		c.Nodes[node].Kill()
		c.Nodes[node].Wipe()
		c.Nodes[node].Restart()
	}},
	{"restarted in good order", func(c *cluster.Cluster, node int, _ time.Duration) {
		c.Nodes[node].Stop()
		c.Nodes[node].Restart()
	}},
	{"hung", func(c *cluster.Cluster, node int, lasts time.Duration) {
		c.Nodes[node].Pause()
		wait(lasts)
		c.Nodes[node].Resume()
	}},
	{"cut off", func(c *cluster.Cluster, node int, lasts time.Duration) {
		c.Isolate(node, blocked, blocked)
		wait(lasts)
		c.Isolate(node, link.Quality{}, link.Quality{})
	}},
	{"unheard", func(c *cluster.Cluster, node int, lasts time.Duration) {
		c.Isolate(node, blocked, link.Quality{})
		wait(lasts)
		c.Isolate(node, link.Quality{}, link.Quality{})
	}},
	{"deaf", func(c *cluster.Cluster, node int, lasts time.Duration) {
		c.Isolate(node, link.Quality{}, blocked)
		wait(lasts)
		c.Isolate(node, link.Quality{}, link.Quality{})
	}},
	{"on and off", func(c *cluster.Cluster, node int, lasts time.Duration) {
		for begin := time.Now(); time.Since(begin) < lasts; {
			c.Isolate(node, blocked, blocked)
			wait(lasts / 8)
			c.Isolate(node, link.Quality{}, link.Quality{})
			wait(lasts / 8)
		}
	}},
	{"on a bad line", func(c *cluster.Cluster, node int, lasts time.Duration) {
		bad := link.Quality{Latency: 40 * time.Millisecond, Jitter: 40 * time.Millisecond, Loss: 0.05, Recovery: 200 * time.Millisecond}
		c.Isolate(node, bad, bad)
		wait(lasts)
		c.Isolate(node, link.Quality{}, link.Quality{})
	}},
	{"without connections", func(c *cluster.Cluster, _ int, _ time.Duration) { c.CutLinks() }},
}

// wait is how long a fault lasts. Nothing is waited for.
func wait(d time.Duration) { <-time.After(d) }

// TestThreeNodesUnderEachFault lets each fault befall nodes of a cluster that is used through the
// balancer. In the short form each fault comes once, one after the other, to the same cluster; in the
// long form each has its own for five minutes.
func TestThreeNodesUnderEachFault(t *testing.T) {
	if !*long {
		underFaults(t, func(ctx context.Context, r *rand.Rand, c *cluster.Cluster, _ time.Duration) error {
			for i, at := range r.Perm(len(faults)) {
				if err := befall(ctx, t, c, faults[at], i%len(c.Nodes), 5*time.Second); err != nil {
					return err
				}
			}
			return nil
		})
		return
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			underFaults(t, func(ctx context.Context, r *rand.Rand, c *cluster.Cluster, during time.Duration) error {
				i := 0
				return every(ctx, r, 5*time.Second, during, func() {
					if err := befall(ctx, t, c, f, i%len(c.Nodes), 20*time.Second); err != nil {
						t.Error(err)
					}
					i++
				})
			})
		})
	}
}

func underFaults(t *testing.T, during func(context.Context, *rand.Rand, *cluster.Cluster, time.Duration) error) {
	t.Helper()
	r := faultRand(t)
	nodes := cluster.Start(t, cluster.Config{Nodes: 3, Links: r.Uint64(), Flags: []string{"--drain", "2s", "--allow-private-outbound"}})
	c, lasts := size()
	c.URLs, c.Token = []string{nodes.Balance().URL}, nodes.Token
	result, err := workload.Run(t.Context(), c, func(ctx context.Context) error { return during(ctx, r, nodes, lasts) })
	judge(t, result, err)
}

// befall lets one fault come and go, and waits until all nodes are ready again.
func befall(ctx context.Context, t *testing.T, c *cluster.Cluster, f fault, node int, lasts time.Duration) error {
	t.Helper()
	t.Logf("%s: node %s is %s", time.Now().UTC().Format("15:04:05.000"), c.Nodes[node].Name, f.name)
	f.do(c, node, lasts)
	begin := time.Now()
	c.AwaitReady()
	t.Logf("all nodes are ready %s after its end", time.Since(begin).Round(time.Millisecond))
	return ctx.Err()
}

// TestNodesRunOutOfDisk fills the disk of one node after the other. Once there is room again the node is
// restarted, since its storage has switched itself off.
func TestNodesRunOutOfDisk(t *testing.T) {
	nodes := cluster.Start(t, cluster.Config{Nodes: 3, DiskBytes: 128 << 20, Flags: []string{"--drain", "2s", "--allow-private-outbound"}})
	c, _ := size()
	c.URLs, c.Token = []string{nodes.Balance().URL}, nodes.Token
	full := fault{"out of disk", func(c *cluster.Cluster, node int, lasts time.Duration) {
		n := c.Nodes[node]
		n.FillDisk()
		wait(lasts)
		n.FreeDisk()
		n.Stop()
		n.Restart()
	}}
	result, err := workload.Run(t.Context(), c, func(ctx context.Context) (err error) {
		for i := range nodes.Nodes {
			err = errors.Join(err, befall(ctx, t, nodes, full, i, 10*time.Second))
		}
		return err
	})
	judge(t, result, err)
}
