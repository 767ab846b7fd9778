package broker_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
)

func TestANodeThatIsAloneTellsOfItself(t *testing.T) {
	var drained bool
	b, _ := start(t, broker.Config{
		Node:  "only",
		Tell:  func(_ context.Context, s *broker.NodeStatus) { s.Viewers, s.Draining = 7, drained },
		Drain: func(on bool) { drained = on },
	})
	all, err := b.Nodes(within(t))
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	if s := all[0]; s.Node != "only" || s.Role != "core" || !s.Answers || !s.Leader || s.Viewers != 7 || time.Since(s.Seen) > time.Minute {
		t.Errorf("it tells %+v", s)
	}
	for _, on := range []bool{true, true, false} {
		if s, err := b.DrainNode(within(t), "only", on); err != nil || s.Draining != on {
			t.Errorf("drain %v: %+v, %v", on, s, err)
		}
	}
	if _, err := b.DrainNode(within(t), "none", true); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("drain a node that is not: %v", err)
	}
	if b.Apart() != 0 {
		t.Error("a node that is alone is apart")
	}
}

func TestANodeThatIsAloneRests(t *testing.T) {
	b, _ := start(t, broker.Config{})
	held, release, err := b.Hold(within(t), "a")
	if err != nil {
		t.Fatal(err)
	}
	b.Rest(true)
	<-held.Done()
	if cause := context.Cause(held); cause != broker.ErrLost {
		t.Errorf("it ends with %v", cause)
	}
	release()
	if n := b.Stats().Held; n != 0 {
		t.Errorf("%d keys are held", n)
	}
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := b.Hold(short, "a"); err == nil {
		t.Error("a node that rests takes a key")
	}
	b.Rest(false)
	if _, _, err := b.Hold(within(t), "a"); err != nil {
		t.Error(err)
	}
}

// testNodesTell asks each of three nodes about all.
func testNodesTell(t *testing.T, c *nodes) {
	leaders := 0
	for i, b := range c.brokers {
		all, err := b.Nodes(within(t))
		if err != nil || len(all) != 3 {
			t.Fatalf("node %d knows %+v, %v", i, all, err)
		}
		for j, s := range all {
			if want := c.config(j).Node; s.Node != want || !s.Answers || s.Role != "core" || s.Draining {
				t.Errorf("node %d has for %s: %+v", i, want, s)
			}
			if s.Leader && i == 0 {
				leaders++
			}
		}
	}
	if leaders != 1 {
		t.Errorf("%d of them lead", leaders)
	}
	for _, on := range []bool{true, false} {
		if s, err := c.brokers[0].DrainNode(within(t), "n2", on); err != nil || s.Node != "n2" || s.Draining != on {
			t.Errorf("drain %v: %+v, %v", on, s, err)
		}
		if c.drains[0].Load() || c.drains[1].Load() != on || c.drains[2].Load() {
			t.Errorf("drain %v of n2 alone: others were told", on)
		}
	}
}

// testRest has one of three rest, and go on.
func testRest(t *testing.T, c *nodes) {
	h := newHolders(c.brokers, 30)
	defer h.end()
	h.settle(t, 3)
	c.brokers[1].Rest(true)
	h.settle(t, 2)
	if s := c.brokers[1].Stats(); s.Held != 0 || s.Nodes != 3 || c.brokers[1].Apart() != 0 {
		t.Errorf("it holds %d keys, sees %d nodes and has been apart for %s", s.Held, s.Nodes, c.brokers[1].Apart())
	}
	c.brokers[1].Rest(false)
	h.settle(t, 3)
}

// TestAWipedNodeIsNotReadyBeforeItHasAll has a node come back without its data. When it says that it is
// ready, the leaders must say that its copies are current.
func TestAWipedNodeIsNotReadyBeforeItHasAll(t *testing.T) {
	c := startCluster(t, 3)
	for _, name := range []string{"acme", "other"} {
		tenant(t, c.brokers[0], name, broker.Spec{})
		fill(t, c.brokers[0], name, 20_000, 3, 1000)
		if err := c.brokers[0].KVPut(within(t), name, "k", []byte("v"), 0); err != nil {
			t.Fatal(err)
		}
	}
	c.stops[1]()
	if err := os.RemoveAll(c.config(1).Dir); err != nil {
		t.Fatal(err)
	}
	c.start(1)
	ctx, behind := within(t), 0
	for err := c.brokers[1].Check(ctx); err != nil; err = c.brokers[1].Check(ctx) {
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		if errors.Is(err, broker.ErrBehind) {
			behind++
		}
		time.Sleep(5 * time.Millisecond)
	}
	if behind == 0 {
		t.Error("it was never behind")
	}
	for _, name := range []string{"acme", "other"} {
		for stream, state := range c.brokers[0].Replicas(ctx, t, name) {
			if lag, there := state["n2"]; !there && c.brokers[0].HistoryLeader(ctx, t, name) != 1 || lag != 0 {
				t.Errorf("of %s, %s: n2 lacks %d (%v)", name, stream, lag, state)
			}
		}
	}
}
