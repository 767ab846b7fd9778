//go:build linux

package hostile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
)

// What the neighbour is promised, and what is asserted of every attack: a busy machine holds up the
// test as well, so that only a standstill of the whole server fails it. The promise is asserted where
// the test's own clock tells that the machine had time: where the 99.9th percentile of how late it
// woke is at most quiet.
const (
	tick     = 10 * time.Millisecond
	promised = 50 * time.Millisecond
	bearable = 20 * time.Second
	quiet    = 10 * time.Millisecond
)

// neighbour is a stream of another tenant: events go in every 10 ms, and a viewer notes when they
// come out.
type neighbour struct {
	server *client
	wg     sync.WaitGroup
	end    context.CancelFunc

	mu    sync.Mutex
	last  time.Time
	gaps  []time.Duration // between one event and the next
	late  []time.Duration // how much later than due this process woke that has nothing to do with it
	worst time.Duration   // gap since lap was called
	fault error
}

func startNeighbour(t *testing.T, c *client) *neighbour {
	t.Helper()
	check(t, c.must(t.Context(), "PUT", "/v1/tenants/neighbour", nil))
	check(t, c.must(t.Context(), "PUT", "/v1/tenants/neighbour/routes/ticks",
		map[string]any{"path": "/ticks", "subjects": []string{"ticks"}, "access": "public"}))
	ctx, cancel := context.WithCancel(context.Background())
	n := &neighbour{server: newClient(c.url, c.token), end: cancel}
	opened := make(chan struct{})
	n.wg.Go(func() {
		err := n.server.watch(ctx, "/t/neighbour/ticks", func() { close(opened) }, n.see)
		if ctx.Err() == nil {
			n.fail(fmt.Errorf("the neighbour's stream ended: %w", errors.Join(err, errors.New("it should not"))))
		}
	})
	<-opened
	n.wg.Go(func() { n.publish(ctx) })
	n.wg.Go(func() { n.control(ctx) })
	t.Cleanup(n.stop)
	return n
}

func (n *neighbour) stop() {
	n.end()
	n.wg.Wait()
	n.server.http.CloseIdleConnections()
}

func (n *neighbour) publish(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := n.server.must(ctx, "POST", "/v1/tenants/neighbour/events/ticks", []byte(fmt.Sprint(i)))
		if err != nil && ctx.Err() == nil {
			n.fail(err)
			return
		}
	}
}

// control notes how late this process wakes, whatever the server does.
func (n *neighbour) control(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case due := <-ticker.C:
			n.mu.Lock()
			n.late = append(n.late, time.Since(due))
			n.mu.Unlock()
		}
	}
}

func (n *neighbour) see(abi.Event) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if !n.last.IsZero() {
		n.gaps = append(n.gaps, now.Sub(n.last))
		n.worst = max(n.worst, now.Sub(n.last))
	}
	n.last = now
	return true
}

func (n *neighbour) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = errors.Join(n.fault, err)
}

// lap returns the longest that the stream stood still since the last call, the present standstill
// included, and what went wrong with it.
func (n *neighbour) lap() (worst time.Duration, fault error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	worst = max(n.worst, time.Since(n.last))
	n.worst = 0
	return worst, n.fault
}

// report logs how even the stream was, and tells whether the promise was broken by the server: not
// if the machine had no time for the test either.
func (n *neighbour) report(t *testing.T) (broken bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t.Logf("the neighbour's %d events came %s; the test itself woke %s late", len(n.gaps), quantiles(n.gaps), quantiles(n.late))
	stall, late := quantile(n.gaps, 0.999), quantile(n.late, 0.999)
	t.Logf("promised is that the 99.9th percentile is at most %v: %v; the machine was quiet: %v", promised, stall <= promised, late <= quiet)
	return stall > promised && late <= quiet
}

func quantiles(of []time.Duration) string {
	return fmt.Sprintf("%v (median), %v (p99), %v (p99.9), %v (worst)",
		quantile(of, 0.5), quantile(of, 0.99), quantile(of, 0.999), quantile(of, 1))
}

// TestNeighbour attacks a server that runs as its users run it, and looks at the neighbour.
func TestNeighbour(t *testing.T) {
	p := startPrey(t)
	attacks, rounds := all(p.remote.url), 1
	_, quick := divide(loops())
	switch {
	case *long:
		rounds = 5
	case testing.Short():
		attacks = every(t, 20, quick)
	default:
		attacks = every(t, 4, quick)
	}
	for round := range rounds {
		for i, a := range attacks {
			t.Run(a.name, func(t *testing.T) {
				p.attack(t, func() { a.run(t, p.client, fmt.Sprintf("t%d-%d", round, i)) })
			})
		}
	}
	p.neighbour.stop()
	if p.neighbour.report(t) && *long {
		t.Errorf("the neighbour's stream stalls for longer than %v", promised)
	}
}

// quantile is the smallest duration that so large a part does not exceed, 0 of none.
func quantile(of []time.Duration, part float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	i := min(int(part*float64(len(sorted))), len(sorted)-1)
	return sorted[i].Round(100 * time.Microsecond)
}
