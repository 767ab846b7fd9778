package broker_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
)

// TestANodeIsReplaced has one of three nodes go for good, forgets it, and starts another. What the one
// had must come to the other, and the cluster must then bear the loss of one more, but not of two.
func TestANodeIsReplaced(t *testing.T) {
	c := startCluster(t, 3)
	tenant(t, c.brokers[0], "acme", broker.Spec{})
	first := publish(t, c.brokers[0], "acme", "a", "first")
	ctx := within(t)
	if err := c.brokers[0].KVPut(ctx, "acme", "k", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	refused := func(node, want string) {
		t.Helper()
		var why *broker.RefusedError
		if err := c.brokers[0].ForgetNode(ctx, node); !errors.As(err, &why) || !contains(err.Error(), want) {
			t.Errorf("to forget %s: %v, want %q", node, err, want)
		}
	}
	refused("n1", "this one")
	refused("n3", "has just started")
	var why *broker.RefusedError
	await(t, func() bool {
		err := c.brokers[0].ForgetNode(ctx, "n3")
		return errors.As(err, &why) && why.Reason == "it lives; stop it first"
	})
	if err := c.brokers[0].ForgetNode(ctx, "n9"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("to forget none: %v", err)
	}

	c.stops[2]()
	await(t, func() bool { return c.brokers[0].Stats().Nodes == 2 })
	if err := c.brokers[0].ForgetNode(ctx, "n3"); err != nil {
		t.Fatal(err)
	}
	for _, b := range c.brokers[:2] {
		await(t, func() bool { return len(b.KnownNodes()) == 2 })
	}
	live := subscribe(t, c.brokers[1], "acme", broker.From{After: first.String()}, "a")
	publish(t, c.brokers[0], "acme", "a", "with two")
	if got := datas(take(t, live, 1)); got != "with two" {
		t.Errorf("two go on, and bring %s", got)
	}

	fourth, stop := start(t, broker.Config{
		Dir: filepath.Join(c.dir, "new"), Node: "n4", Cluster: &broker.Cluster{Key: c.key, Listen: c.addrs[2], Join: c.addrs},
	})
	await(t, func() bool { return fourth.Check(ctx) == nil })
	await(t, func() bool {
		for _, state := range c.brokers[0].Replicas(ctx, t, "acme") {
			if lag, there := state["n4"]; there && lag > 0 || len(state) < 2 {
				return false
			}
		}
		return true
	})
	c.stops[1]()
	await(t, func() bool {
		_, err := fourth.Publish(ctx, "acme", broker.Publication{Subject: "a", Data: "without n2", Key: "k"})
		return err == nil
	})
	s := subscribe(t, fourth, "acme", broker.From{Earliest: true}, "a")
	if got := datas(take(t, s, 3)); got != "first with two without n2" {
		t.Errorf("the new node has %s", got)
	}
	if names := nodeNames(fourth.KnownNodes()); !slices.Equal(names, []string{"n1", "n2", "n4"}) {
		t.Errorf("it knows %s", names)
	}

	// What is left of a majority cannot know what the others do.
	stop()
	await(t, func() bool {
		err := c.brokers[0].ForgetNode(ctx, "n2")
		return errors.As(err, &why) && contains(why.Reason, "1 of 3 nodes")
	})
}

func nodeNames(nodes []broker.Node) (names []string) {
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return names
}

// await waits for a condition, up to a time that only a hang needs.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	for ctx := within(t); !ok(); time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatal("waited in vain")
		}
	}
}
