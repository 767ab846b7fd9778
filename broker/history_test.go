package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

// fill publishes n events in batches, with their number as data, on subject and its number modulo kinds.
func fill(t testing.TB, b *broker.Broker, name string, n, kinds, size int) (first, last broker.Position) {
	t.Helper()
	pad := strings.Repeat(" ", size)
	for from := 0; from < n; from += broker.MaxBatch {
		var ps []broker.Publication
		for i := from; i < min(n, from+broker.MaxBatch); i++ {
			ps = append(ps, broker.Publication{Subject: fmt.Sprintf("a.%d", i%kinds), Data: fmt.Sprint(i, pad)})
		}
		at, err := b.PublishBatch(within(t), name, ps)
		if err != nil {
			t.Fatal(err)
		}
		if from == 0 {
			first = at[0]
		}
		last = at[len(at)-1]
	}
	return first, last
}

// readTo reads until everything up to p has been returned.
func readTo(t testing.TB, s *broker.Subscription, p broker.Position) (all []*abi.Event) {
	t.Helper()
	for ctx := within(t); ; {
		events, seq, err := s.Next(ctx)
		if err != nil {
			t.Fatalf("after %d events: %v", len(all), err)
		}
		all = append(all, events...)
		if seq >= p.Seq {
			return all
		}
	}
}

func TestReplayMergesPatternsInOrder(t *testing.T) {
	b, stop := start(t, broker.Config{Dir: t.TempDir(), RingBytes: 1})
	tenant(t, b, "acme", broker.Spec{})
	const n, kinds = 5000, 10
	_, last := fill(t, b, "acme", n, kinds, 10)
	for _, patterns := range [][]string{{"a.3"}, {"a.3", "a.7"}, {"a.*", "a.3"}, {"a.1", "a.2", "a.3", "a.4", "b"}} {
		s := subscribe(t, b, "acme", broker.From{Earliest: true}, patterns...)
		var want []uint64
		for i := range n {
			for _, p := range patterns {
				if broker.SubjectMatches(p, fmt.Sprintf("a.%d", i%kinds)) {
					want = append(want, uint64(i+1))
					break
				}
			}
		}
		got := readTo(t, s, last)
		if len(got) != len(want) {
			t.Fatalf("%v: %d events, not %d", patterns, len(got), len(want))
		}
		for i, e := range got {
			if e.Seq != want[i] || !e.Replayed {
				t.Fatalf("%v: event %d is %d, not %d", patterns, i, e.Seq, want[i])
			}
		}
		s.Close()
	}
	stop()
}

func TestGap(t *testing.T) {
	b, _ := start(t, broker.Config{RingBytes: 1})
	tenant(t, b, "acme", broker.Spec{Quotas: broker.Quotas{HistoryBytes: 64 << 10}})
	first, last := fill(t, b, "acme", 2000, 1, 100)
	s := subscribe(t, b, "acme", broker.From{After: first.String()}, "a.*")
	start := s.Start()
	if !start.Gap || start.Reset || start.Oldest.Seq <= first.Seq+1 || start.Position.Seq != start.Oldest.Seq-1 {
		t.Fatalf("starts at %+v", start)
	}
	events := readTo(t, s, last)
	if events[0].ID != start.Oldest.String() || uint64(len(events)) != last.Seq-start.Position.Seq {
		t.Errorf("%d events from %s on", len(events), events[0].ID)
	}
	if got := subscribe(t, b, "acme", broker.From{After: start.Position.String()}, "a.*").Start(); got.Gap {
		t.Errorf("the id before the oldest is no gap: %+v", got)
	}
	b.Purge(within(t), t, "acme")
	if got := subscribe(t, b, "acme", broker.From{After: last.String()}, "a.*").Start(); got.Gap || got.Reset {
		t.Errorf("the last id of an emptied history is no gap: %+v", got)
	}
}

func TestRetentionOvertakesReader(t *testing.T) {
	b, _ := start(t, broker.Config{RingBytes: 1})
	tenant(t, b, "acme", broker.Spec{Quotas: broker.Quotas{HistoryBytes: 64 << 10}})
	first := publish(t, b, "acme", "a.0", "first")
	s := subscribe(t, b, "acme", broker.From{After: first.String()}, "a.*")
	fill(t, b, "acme", 2000, 1, 100)
	for ctx := within(t); ; {
		_, _, err := s.Next(ctx)
		if errors.Is(err, broker.ErrGone) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEarliestKeepsUpWithRetention(t *testing.T) {
	b, _ := start(t, broker.Config{RingBytes: 1})
	tenant(t, b, "acme", broker.Spec{Quotas: broker.Quotas{HistoryBytes: 64 << 10}})
	fill(t, b, "acme", 1000, 1, 100)
	s := subscribe(t, b, "acme", broker.From{Earliest: true}, "a.*")
	_, last := fill(t, b, "acme", 1000, 1, 100) // what was the oldest goes
	events := readTo(t, s, last)
	for i, e := range events[1:] {
		if e.Seq != events[i].Seq+1 {
			t.Fatalf("%d comes after %d", e.Seq, events[i].Seq)
		}
	}
}

func TestQuotaChangeBoundsHistory(t *testing.T) {
	b, _ := start(t, broker.Config{RingBytes: 1})
	tenant(t, b, "acme", broker.Spec{})
	_, last := fill(t, b, "acme", 2000, 1, 100)
	if n := len(readTo(t, subscribe(t, b, "acme", broker.From{Earliest: true}, "a.*"), last)); n != 2000 {
		t.Fatalf("%d events before", n)
	}
	tenant(t, b, "acme", broker.Spec{Quotas: broker.Quotas{HistoryBytes: 64 << 10}})
	for deadline := time.Now().Add(time.Minute); ; {
		n := len(readTo(t, subscribe(t, b, "acme", broker.From{Earliest: true}, "a.*"), last))
		if n > 0 && n < 1000 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events after", n)
		}
	}
}

func TestHolesDoNotStall(t *testing.T) {
	b, _ := start(t, broker.Config{})
	b.LoseLive(func(seq uint64) bool { return seq > 3 && seq < 8 || seq == 9 })
	tenant(t, b, "acme", broker.Spec{})
	s := subscribe(t, b, "acme", broker.From{}, "a.*")
	fill(t, b, "acme", 7, 1, 0) // 4 to 7 are lost live
	for _, seq := range []uint64{4, 5, 7} {
		b.RemoveEvent(within(t), t, "acme", seq)
	}
	fill(t, b, "acme", 3, 1, 0)
	var got []uint64
	for _, e := range take(t, s, 7) {
		got = append(got, e.Seq)
	}
	if want := "[1 2 3 6 8 9 10]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestLostTailIsFound(t *testing.T) {
	b, _ := start(t, broker.Config{})
	b.LoseLive(func(seq uint64) bool { return seq > 1 })
	tenant(t, b, "acme", broker.Spec{})
	s := subscribe(t, b, "acme", broker.From{}, "a.*")
	_, last := fill(t, b, "acme", 50, 1, 0)
	if n := len(readTo(t, s, last)); n != 50 {
		t.Errorf("%d events", n)
	}
}

func TestEndOfHistoryEndsSubscriptions(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	s := subscribe(t, b, "acme", broker.From{}, ">")
	old := publish(t, b, "acme", "a", "1")
	take(t, s, 1)
	b.RemoveHistory(within(t), t, "acme")
	if _, _, err := s.Next(within(t)); !errors.Is(err, broker.ErrGone) {
		t.Fatalf("Next: %v", err)
	}
	if p := publish(t, b, "acme", "a", "2"); p.Epoch == old.Epoch {
		t.Error("another history has the same epoch")
	}
	if got := subscribe(t, b, "acme", broker.From{After: old.String()}, ">").Start(); !got.Reset {
		t.Errorf("starts at %+v", got)
	}
}

// TestAnotherHistoryUnderTraffic has a new history in place of the old whose sequences look as if
// they had been seen: the subscription must end rather than wait for them to catch up.
func TestAnotherHistoryUnderTraffic(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	s := subscribe(t, b, "acme", broker.From{}, ">")
	_, last := fill(t, b, "acme", 1000, 1, 0)
	readTo(t, s, last)
	b.RemoveHistory(within(t), t, "acme")
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; n < 900; n++ { // fewer than there were
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				if _, err := b.Publish(context.Background(), "acme", broker.Publication{Subject: "a", Data: "new"}); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	if events, _, err := s.Next(within(t)); !errors.Is(err, broker.ErrGone) {
		t.Errorf("Next: %d events, %v", len(events), err)
	}
	close(stop)
	<-done
}

func TestNextEnds(t *testing.T) {
	b, stop := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	p := publish(t, b, "acme", "b", "1")
	s := subscribe(t, b, "acme", broker.From{}, "a")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, seq, err := s.Next(ctx); !errors.Is(err, context.Canceled) || seq != p.Seq {
		t.Errorf("with its context: %d, %v", seq, err)
	}
	s.Close()
	if _, _, err := s.Next(within(t)); !errors.Is(err, broker.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	s = subscribe(t, b, "acme", broker.From{}, "a")
	ended := make(chan error)
	go func() {
		_, _, err := s.Next(context.Background())
		ended <- err
	}()
	stop()
	if err := <-ended; !errors.Is(err, broker.ErrClosed) {
		t.Errorf("with the broker: %v", err)
	}
}
