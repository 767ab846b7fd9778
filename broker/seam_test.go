package broker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
)

// TestSeam has many publish while subscriptions begin at random positions: each must receive
// exactly what follows its position, whatever it takes from memory, history or live, and although
// the hub misses every 50th live event. The ring is so small that readers fall behind it.
func TestSeam(t *testing.T) {
	b, _ := start(t, broker.Config{RingBytes: 20_000})
	b.LoseLive(func(seq uint64) bool { return seq%50 == 0 })
	tenant(t, b, "acme", broker.Spec{})
	const writers, each, readers = 8, 500, 40
	first := publish(t, b, "acme", "s.0", "first")
	var published, reading sync.WaitGroup
	for w := range writers {
		published.Go(func() {
			for i := range each {
				if _, err := b.Publish(within(t), "acme", broker.Publication{Subject: fmt.Sprintf("s.%d", i%4), Data: fmt.Sprint(w, i)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	end := make(chan broker.Position, readers)
	for r := range readers {
		reading.Go(func() { readSuffix(t, b, first, r, end) })
	}
	published.Wait()
	last := publish(t, b, "acme", "s.0", "last")
	for range readers {
		end <- last
	}
	reading.Wait()
}

// readSuffix attaches after a random position, reads until it is told the end and comes to it.
func readSuffix(t *testing.T, b *broker.Broker, first broker.Position, reader int, end <-chan broker.Position) {
	patterns := [][]string{{"s.*"}, {"s.0", "s.1", "s.2", "s.3"}, {">", "s.1"}, {"s.>"}}[reader%4]
	after := first
	// Positions that others just got are as good as any: this event's own is one.
	if p, err := b.Publish(context.Background(), "acme", broker.Publication{Subject: "s.1", Data: "mark"}); err == nil {
		after.Seq = 1 + rand.Uint64N(p.Seq)
	}
	s, err := b.Subscribe(within(t), "acme", patterns, broker.From{After: after.String()})
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	if got := s.Start(); got != (broker.Start{Position: after}) {
		t.Errorf("starts at %+v, not %s", got, after)
	}
	ctx := within(t)
	cursor := after.Seq
	var last broker.Position
	patience := 100 * time.Millisecond // grows: on a busy machine a step that is given up is work for nothing
	for last.Seq == 0 || cursor < last.Seq {
		step, cancel := context.WithTimeout(ctx, patience)
		events, _, err := s.Next(step)
		if step.Err() != nil && last.Seq > 0 {
			patience *= 2
		}
		cancel()
		if err != nil && (step.Err() == nil || ctx.Err() != nil) {
			t.Errorf("at %d: %v", cursor, err)
			return
		}
		for _, e := range events {
			if e.Seq != cursor+1 {
				t.Errorf("%d comes after %d", e.Seq, cursor)
				return
			}
			cursor = e.Seq
		}
		if last.Seq == 0 {
			select {
			case last = <-end:
			default:
			}
		}
	}
}

// TestSparseSubscription has one reader of a rare subject beside much traffic: it is woken by its
// own events only, and reads none of the rest.
func TestSparseSubscription(t *testing.T) {
	b, _ := start(t, broker.Config{RingBytes: 10_000})
	tenant(t, b, "acme", broker.Spec{})
	s := subscribe(t, b, "acme", broker.From{}, "rare")
	woken := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for got := 0; got < 3; {
			events, _, err := s.Next(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			woken++
			got += len(events)
		}
	}()
	for range 3 {
		fill(t, b, "acme", 1000, 10, 10)
		publish(t, b, "acme", "rare", "x")
	}
	<-done
	if woken > 3 {
		t.Errorf("woken %d times for 3 events", woken)
	}
	if n := b.Stats().Replayed; n > 3 {
		t.Errorf("%d events were read from history", n)
	}
}

func TestRingOverflow(t *testing.T) {
	b, _ := start(t, broker.Config{RingBytes: 10_000})
	tenant(t, b, "acme", broker.Spec{})
	s := subscribe(t, b, "acme", broker.From{}, "a.*") // is not read for a while
	_, last := fill(t, b, "acme", 10_000, 3, 100)
	other := subscribe(t, b, "acme", broker.From{}, ">")
	publish(t, b, "acme", "a.0", "x")
	take(t, other, 1) // the hub has come to the end
	events := readTo(t, s, last)
	if n := len(events); n < 10_000 || events[0].Seq != 1 || events[n-1].Seq != uint64(n) {
		t.Errorf("%d events from %d on", len(events), events[0].Seq)
	}
	if b.Stats().Replayed == 0 {
		t.Error("nothing was read from history")
	}
}

// TestWarmHub has many come back after a restart: what they missed is read from disk once.
func TestWarmHub(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	tenant(t, b, "acme", broker.Spec{})
	first, last := fill(t, b, "acme", 3000, 3, 100)
	stop()
	b, _ = start(t, broker.Config{Dir: dir})
	first.Seq = 2000
	for range 50 {
		s := subscribe(t, b, "acme", broker.From{After: first.String()}, "a.*")
		events := readTo(t, s, last)
		if len(events) != 1000 || events[0].Seq != 2001 || !events[0].Replayed {
			t.Fatalf("%d events from %+v", len(events), events[0])
		}
	}
	live := subscribe(t, b, "acme", broker.From{}, ">")
	old := subscribe(t, b, "acme", broker.From{Earliest: true}, ">")
	publish(t, b, "acme", "a.0", "new")
	if e := take(t, live, 1)[0]; e.Data != "new" || e.Replayed {
		t.Errorf("live is %+v", e)
	}
	if n := b.Stats().Reads; n > 8 {
		t.Errorf("history was read %d times", n)
	}
	if n := len(readTo(t, old, last)); n < 3000 {
		t.Errorf("%d events from the earliest on", n)
	}
}

// TestManyComeBackTogether has a live reader begin the hub after a restart, so that it begins with nothing,
// and then many come back from different positions, each with subjects of its own: what they missed is
// read for all at once.
func TestManyComeBackTogether(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	tenant(t, b, "acme", broker.Spec{})
	first, last := fill(t, b, "acme", 4000, 100, 200)
	stop()
	b, _ = start(t, broker.Config{Dir: dir})
	live := subscribe(t, b, "acme", broker.From{}, ">")
	const readers = 100
	before := b.Stats().Reads
	var reading sync.WaitGroup
	begin := make(chan struct{})
	for r := range readers {
		after := broker.Position{Epoch: first.Epoch, Seq: last.Seq - 100 - uint64(r)*19}
		own := []string{fmt.Sprintf("a.%d", r), fmt.Sprintf("a.%d", (r+1)%100), fmt.Sprintf("a.%d", (r+50)%100)}
		s := subscribe(t, b, "acme", broker.From{After: after.String()}, own...)
		want := 0
		for seq := after.Seq + 1; seq <= last.Seq; seq++ {
			if n := (seq - first.Seq) % 100; n == uint64(r) || n == uint64(r+1)%100 || n == uint64(r+50)%100 {
				want++
			}
		}
		reading.Go(func() {
			<-begin
			if events := readTo(t, s, last); len(events) != want {
				t.Errorf("reader %d has %d events, want %d", r, len(events), want)
			}
		})
	}
	close(begin)
	reading.Wait()
	reads := b.Stats().Reads - before
	if reads > readers { // each by itself needs three at least
		t.Errorf("history was read %d times for %d readers", reads, readers)
	}
	publish(t, b, "acme", "a.0", "new")
	if e := take(t, live, 1)[0]; e.Data != "new" || e.Replayed {
		t.Errorf("live is %+v", e)
	}
}

// TestHubJumps loses more live events than are worth filling: the subscriptions read them themselves.
func TestHubJumps(t *testing.T) {
	b, _ := start(t, broker.Config{})
	b.LoseLive(func(seq uint64) bool { return seq > 10 && seq < 9000 })
	tenant(t, b, "acme", broker.Spec{})
	s := subscribe(t, b, "acme", broker.From{}, "a.*")
	_, last := fill(t, b, "acme", 10_000, 3, 0)
	if events := readTo(t, s, last); len(events) != 10_000 {
		t.Errorf("%d events", len(events))
	}
}

func TestTenantsAreApart(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	tenant(t, b, "other", broker.Spec{})
	publish(t, b, "other", "a", "0")
	s := subscribe(t, b, "acme", broker.From{Earliest: true}, ">")
	foreign := publish(t, b, "other", "a", "foreign")
	last := publish(t, b, "acme", "a", "own")
	if got := datas(take(t, s, 1)); got != "own" {
		t.Errorf("got %s", got)
	}
	quiet(t, s, last)
	if got := subscribe(t, b, "acme", broker.From{After: foreign.String()}, ">").Start(); !got.Reset {
		t.Errorf("another tenant's id starts at %+v", got)
	}
}

func TestHubEndsWhenNobodyListens(t *testing.T) {
	b, _ := start(t, broker.Config{Linger: time.Millisecond})
	tenant(t, b, "acme", broker.Spec{})
	s := subscribe(t, b, "acme", broker.From{}, "a")
	if n := b.Stats(); n.Hubs != 1 || n.Links != 1 || n.Subscriptions != 1 {
		t.Errorf("while it is open: %+v", n)
	}
	s.Close()
	s.Close()
	ctx := within(t)
	for n := b.Stats(); n.Hubs+n.Links+n.Subscriptions > 0; n = b.Stats() {
		if ctx.Err() != nil {
			t.Fatalf("after Close: %+v", n)
		}
		time.Sleep(time.Millisecond)
	}
	again := subscribe(t, b, "acme", broker.From{}, "a")
	publish(t, b, "acme", "a", "1")
	if got := datas(take(t, again, 1)); got != "1" {
		t.Errorf("got %s", got)
	}
}
