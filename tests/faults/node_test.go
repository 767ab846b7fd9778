package faults

import (
	"context"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/cluster"
	"github.com/millrace/millrace/tests/faults/workload"
	"github.com/millrace/millrace/tests/program"
)

// TestOneNodeIsKilled kills a node that is alone every few seconds, and starts it again on its data.
func TestOneNodeIsKilled(t *testing.T) {
	beside(t)
	r := faultRand(t)
	s := program.Start(t, "--allow-private-outbound")
	c, during := size()
	c.URLs, c.Token = []string{s.URL}, s.Token
	kills := 0
	result, err := workload.Run(t.Context(), c, func(ctx context.Context) error {
		return every(ctx, r, 2*time.Second, during, func() {
			s.Kill()
			s.Restart()
			kills++
		})
	})
	judge(t, result, err)
	t.Logf("killed %d times", kills)
	if kills == 0 {
		t.Error("the node was never killed")
	}
}

// TestOneNodeBehindABalancer ends the node by turns with SIGKILL and SIGTERM while all reach it through
// the balancer. No browser's EventSource would have given up.
func TestOneNodeBehindABalancer(t *testing.T) {
	beside(t)
	r := faultRand(t)
	nodes := cluster.Start(t, cluster.Config{Flags: []string{"--drain", "1s", "--allow-private-outbound"}})
	c, during := size()
	c.URLs, c.Token = []string{nodes.Balance().URL}, nodes.Token
	node, ends := nodes.Nodes[0], 0
	result, err := workload.Run(t.Context(), c, func(ctx context.Context) error {
		return every(ctx, r, 2*time.Second, during, func() {
			if ends%2 == 0 {
				node.Kill()
			} else if status := node.Stop(); status != 0 {
				t.Errorf("the node ends with status %d", status)
			}
			node.Restart()
			nodes.AwaitReady()
			ends++
		})
	})
	judge(t, result, err)
	t.Logf("ended %d times", ends)
	if ends < 2 {
		t.Error("the node was not ended in both ways")
	}
}

// TestOneNodeRunsOutOfDisk fills the node's disk. It says that it is not ready, and after a restart
// with room again it goes on.
func TestOneNodeRunsOutOfDisk(t *testing.T) {
	beside(t)
	nodes := cluster.Start(t, cluster.Config{DiskBytes: 64 << 20, Flags: []string{"--drain", "1s", "--allow-private-outbound"}})
	c, _ := size()
	c.URLs, c.Token = []string{nodes.Nodes[0].URL}, nodes.Token
	result, err := workload.Run(t.Context(), c, func(ctx context.Context) error {
		node := nodes.Nodes[0]
		node.FillDisk()
		node.AwaitUnready()
		node.FreeDisk()
		if status := node.Stop(); status != 0 {
			t.Errorf("the node ends with status %d", status)
		}
		node.Restart()
		nodes.AwaitReady()
		return ctx.Err()
	})
	judge(t, result, err)
}
