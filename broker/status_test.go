package broker_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
)

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

// testNodesAreKnown looks at each of three nodes.
func testNodesAreKnown(t *testing.T, c *nodes) {
	leaders := 0
	for i, b := range c.brokers {
		if off := b.ClockOffset(); off.Abs() > time.Second {
			t.Errorf("node %d takes its clock for wrong by %s", i, off)
		}
		if b.Leads() {
			leaders++
		}
		known := b.KnownNodes()
		if len(known) != 3 {
			t.Fatalf("node %d knows %+v", i, known)
		}
		for j, n := range known {
			if n.Name != c.config(j).Node || n.Edge || time.Since(n.Seen) > time.Minute {
				t.Errorf("node %d knows %+v", i, n)
			}
		}
	}
	if leaders != 1 {
		t.Errorf("%d of them lead", leaders)
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
