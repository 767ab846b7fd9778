package faults

import (
	"context"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/cluster"
	"github.com/millrace/millrace/tests/faults/workload"
)

// TestThreeNodesUnderEachFault lets each fault befall nodes of a cluster that is used through the
// balancer, the leaders among them. In the short form each fault comes once, one after the other, to the
// same cluster; in the long form each kind has its own for five minutes.
func TestThreeNodesUnderEachFault(t *testing.T) {
	if *long {
		for _, k := range kinds {
			t.Run(k.name, func(t *testing.T) {
				if !k.possible() {
					t.Skip("only on Linux on amd64")
				}
				repeat(t, k, cluster.Config{})
			})
		}
		return
	}
	t.Parallel()
	r := faultRand(t)
	var all []fault
	for _, k := range kinds {
		if k.possible() {
			all = append(all, k.faults...)
		}
	}
	config := cluster.Config{Links: r.Uint64()}
	if r.IntN(2) == 0 {
		t.Log("nodes do without --fsync")
		config.Flags = []string{"--fsync=false"}
	}
	underFaults(t, config, func(ctx context.Context, c *cluster.Cluster) error {
		turn := r.IntN(len(victims))
		for i, at := range r.Perm(len(all)) {
			if err := befall(ctx, t, c, all[at], victims[(turn+i)%len(victims)], 5*time.Second); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestNodesRunOutOfDisk fills the disk of the node that leads the history; in the long form of one node
// after the other, for five minutes.
func TestNodesRunOutOfDisk(t *testing.T) {
	disks := cluster.Config{DiskBytes: 128 << 20}
	if *long {
		repeat(t, outOfDisk, disks)
		return
	}
	t.Parallel()
	underFaults(t, disks, func(ctx context.Context, c *cluster.Cluster) error {
		return befall(ctx, t, c, outOfDisk.faults[0], victims[0], 5*time.Second)
	})
}

// repeat lets the faults of a kind befall one node after the other, by turns, in the long form.
func repeat(t *testing.T, k kind, config cluster.Config) {
	r := faultRand(t)
	config.Links = r.Uint64()
	underFaults(t, config, func(ctx context.Context, c *cluster.Cluster) error {
		_, during := size()
		turn := r.IntN(len(victims))
		return every(ctx, r, 5*time.Second, during, func() {
			if err := befall(ctx, t, c, k.faults[turn%len(k.faults)], victims[turn%len(victims)], 20*time.Second); err != nil {
				t.Error(err)
			}
			turn++
		})
	})
}

// underFaults runs the workload on three nodes behind a balancer while something befalls them.
func underFaults(t *testing.T, config cluster.Config, during func(context.Context, *cluster.Cluster) error) {
	t.Helper()
	config.Nodes, config.Flags = 3, append(config.Flags, "--drain", "2s", "--allow-private-outbound")
	nodes := cluster.Start(t, config)
	c, _ := size()
	c.URLs, c.Token = []string{nodes.Balance().URL}, nodes.Token
	result, err := workload.Run(t.Context(), c, func(ctx context.Context) error { return during(ctx, nodes) })
	judge(t, result, err)
}

// befall lets one fault come and go, and waits until all nodes are ready again.
func befall(ctx context.Context, t *testing.T, c *cluster.Cluster, f fault, who victim, lasts time.Duration) error {
	t.Helper()
	node := who.find(c)
	t.Logf("%s: node %s%s is %s", clock(time.Now()), c.Nodes[node].Name, who, f.name)
	f.do(c, node, lasts)
	begin := time.Now()
	c.AwaitReady()
	t.Logf("all nodes are ready %s after its end", time.Since(begin).Round(time.Millisecond))
	return ctx.Err()
}
