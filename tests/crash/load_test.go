package crash

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/program"
)

// TestWhatWasAcknowledgedOutlivesKill kills the server again and again while publishers publish,
// and cuts their connections so that acknowledgements are lost. Each repeats what was not
// acknowledged with the same key, and so ends with every event stored exactly once.
func TestWhatWasAcknowledgedOutlivesKill(t *testing.T) {
	const publishers, rounds, eventsPerRound = 8, 3, 2000
	s := program.Start(t)
	s.Put("/v1/tenants/acme", nil)
	cutter := program.NewCutter(s, 100, 20_000) // an answer has about 150 bytes
	l := &load{server: s, client: s.Through(cutter), acked: make([][]string, publishers)}
	l.start(t)
	for round := 1; round <= rounds; round++ {
		l.await(t, int64(round*eventsPerRound))
		s.Kill()
		before := l.count.Load()
		s.Restart()
		l.await(t, before+1)
		t.Logf("round %d: killed at %d events", round, before)
	}
	l.stop(t)
	if cuts := cutter.Cuts(); cuts < 20 {
		t.Errorf("connections were cut only %d times", cuts)
	}
	all := l.check(t, "before the last kill", nil)
	s.Kill()
	s.Restart()
	l.check(t, "after the last kill", all)
}

// load is publishers that go on whatever happens to the server.
type load struct {
	server *program.Server
	client *program.Client // for publishing
	acked  [][]string      // per publisher, the ids of its events; its own until stop
	count  atomic.Int64

	halt   atomic.Bool // no new events
	cancel context.CancelFunc
	wg     sync.WaitGroup
	failed chan error
}

func (l *load) start(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	l.cancel, l.failed = cancel, make(chan error, len(l.acked))
	for p := range l.acked {
		l.wg.Go(func() {
			if err := l.publish(ctx, p); err != nil {
				l.failed <- fmt.Errorf("publisher %d: %w", p, err)
			}
		})
	}
	t.Cleanup(func() { cancel(); l.wg.Wait() })
}

// await waits until so many events were acknowledged.
func (l *load) await(t *testing.T, count int64) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for l.count.Load() < count {
		select {
		case <-poll.C:
		case err := <-l.failed:
			t.Fatal(err)
		case <-deadline.C:
			t.Fatalf("waited in vain for %d events, have %d", count, l.count.Load())
		}
	}
}

// stop lets every publisher finish what it has begun.
func (l *load) stop(t *testing.T) {
	t.Helper()
	l.halt.Store(true)
	l.wg.Wait()
	select {
	case err := <-l.failed:
		t.Fatal(err)
	default:
	}
}

// publish publishes p's events in order, one by one or, every fourth publisher, in batches.
func (l *load) publish(ctx context.Context, p int) error {
	size := 1
	if p%4 == 3 {
		size = 5
	}
	for !l.halt.Load() {
		batch := make([]program.Event, size)
		for i := range batch {
			n := len(l.acked[p]) + i
			batch[i] = program.Event{Subject: fmt.Sprintf("load.%d", p), Data: dataOf(p, n), Key: fmt.Sprintf("p%d-%d", p, n)}
		}
		ids, err := program.UntilStored(ctx, func(ctx context.Context) ([]string, error) {
			if size > 1 {
				return l.client.PublishBatch(ctx, "acme", batch)
			}
			id, err := l.client.Publish(ctx, "acme", batch[0])
			return []string{id}, err
		})
		if err != nil {
			return err
		}
		l.acked[p] = append(l.acked[p], ids...)
		l.count.Add(int64(size))
	}
	return nil
}

func dataOf(publisher, n int) string { return fmt.Sprintf("%d %d", publisher, n) }

// check reads all of history and holds it against what was acknowledged: each event once, under its
// id, every publisher's in its order. It returns the ids in their order, which are to be those of
// want unless that is nil.
func (l *load) check(t *testing.T, when string, want []string) (ids []string) {
	t.Helper()
	data := map[string]string{}
	total := 0
	for p, acked := range l.acked {
		total += len(acked)
		for n, id := range acked {
			data[id] = dataOf(p, n)
		}
	}
	if len(data) != total {
		t.Errorf("%s: %d acknowledged events have %d ids", when, total, len(data))
	}
	stream := l.server.Open("/v1/tenants/acme/events?subject=load.>&last_event_id=earliest")
	defer stream.Close()
	next := make([]int, len(l.acked))
	for range total {
		e := stream.Next()
		if e.Data != data[e.ID] {
			t.Fatalf("%s: event %s is %q, acknowledged was %q", when, e.ID, e.Data, data[e.ID])
		}
		var p, n int
		if _, err := fmt.Sscan(e.Data, &p, &n); err != nil {
			t.Fatal(err)
		}
		if n != next[p] {
			t.Fatalf("%s: publisher %d's event %d comes where %d is due", when, p, n, next[p])
		}
		next[p]++
		ids = append(ids, e.ID)
	}
	l.checkEnd(t, stream, when)
	if unique := slices.Compact(slices.Sorted(slices.Values(ids))); len(unique) != len(ids) {
		t.Errorf("%s: %d events have %d ids", when, len(ids), len(unique))
	}
	if want != nil && !slices.Equal(ids, want) {
		t.Errorf("%s: the ids have changed", when)
	}
	t.Logf("%s: %d events as they were acknowledged", when, len(ids))
	return ids
}

// checkEnd checks that nothing follows: the next event is one that is published now.
func (l *load) checkEnd(t *testing.T, stream *program.Stream, when string) {
	t.Helper()
	id, err := l.server.Publish(t.Context(), "acme", program.Event{Subject: "load.end", Data: "end " + when})
	if err != nil {
		t.Fatal(err)
	}
	for e := stream.Next(); e.ID != id; e = stream.Next() {
		if !strings.HasPrefix(e.Data, "end ") {
			t.Fatalf("%s: event %s %q was never acknowledged", when, e.ID, e.Data)
		}
	}
}
