package bench

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	warmUps     = 20 // events before those that count
	warmUpPause = 300 * time.Millisecond

	maxFailures = 10          // of one publisher in a row, after which it gives up
	maxAhead    = time.Second // that an event waits for viewers that are behind
)

// After how long without a delivery nothing more is waited for. A replay may begin with a search.
const (
	quietLive   = 3 * time.Second
	quietReplay = 20 * time.Second
)

// publish runs all publishers to their end: at a steady rate or as fast as they can, for
// Config.Duration, or in mode Replay until all events are out. The error is that nothing could be
// published.
func (r *run) publish(ctx context.Context, steady bool) error {
	done := r.progress("publishing", r.publishGoal(), r.published.Load)
	defer done()
	r.publishFrom = r.now()
	var wg sync.WaitGroup
	for i := range r.publishers {
		wg.Go(func() { r.publishAs(ctx, i, steady) })
	}
	wg.Wait()
	r.publishedUntil.Store(r.now())
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if r.published.Load() == 0 {
		return fmt.Errorf("nothing was published: %w", r.failure())
	}
	return nil
}

// publishGoal is how many events there will be, 0 if that is not known.
func (r *run) publishGoal() int64 {
	switch r.Mode {
	case Replay:
		return int64(r.Events)
	case Rate:
		return int64(r.Rate * r.Duration.Seconds())
	}
	return 0
}

// publishAs is one publisher.
func (r *run) publishAs(ctx context.Context, i int, steady bool) {
	p := r.publishers[i]
	every := time.Duration(float64(len(r.publishers)) / r.Rate * float64(time.Second))
	first := r.publishFrom + int64(every)*int64(i)/int64(len(r.publishers)) // they take turns
	failures, number := 0, uint64(0)
	for k := int64(0); failures < maxFailures && ctx.Err() == nil && r.another(i, k); k++ {
		at := r.now()
		if steady {
			due := first + k*int64(every)
			if due-r.publishFrom >= int64(r.Duration) {
				return
			}
			if pause(ctx, time.Duration(due-at)) != nil {
				return
			}
			at = due // one that is late has waited, as its readers have
		} else if r.Mode == Saturate {
			r.letViewersCatchUp(ctx)
			at = r.now()
		}
		sent := r.now()
		if err := p.send(ctx, r.marks.count(i, number), at); err != nil {
			failures++
			r.failed(err)
		} else {
			failures = 0
			r.acknowledged[i].record(r.now() - sent)
			r.published.Add(1)
		}
		number++
	}
}

// another tells whether the publisher has a k-th event to publish. At a steady rate those that are
// late are published all the same, as long as the server keeps within Config.Drain.
func (r *run) another(publisher int, k int64) bool {
	if r.Mode == Replay {
		return k*int64(len(r.publishers))+int64(publisher) < int64(r.Events)
	}
	limit := r.Duration
	if r.Mode == Rate {
		limit += r.Drain
	}
	return time.Duration(r.now()-r.publishFrom) < limit
}

// letViewersCatchUp waits while too many events are ahead of the average viewer, but not for ever:
// some servers lose them.
func (r *run) letViewersCatchUp(ctx context.Context) {
	viewers := max(r.crowd.opened.Load(), 1)
	for since := r.now(); r.published.Load()-r.crowd.delivered()/viewers >= int64(r.InFlight); {
		if time.Duration(r.now()-since) > maxAhead || pause(ctx, 50*time.Microsecond) != nil {
			return
		}
	}
}

// awaitDeliveries waits until all that was published has arrived everywhere, or nothing has for a
// while.
func (r *run) awaitDeliveries(ctx context.Context, quiet time.Duration) error {
	goal := r.published.Load() * r.crowd.opened.Load()
	done := r.progress("receiving", goal, r.crowd.delivered)
	defer done()
	for began := r.now(); r.crowd.delivered() < goal; {
		now := r.now()
		if now-max(r.crowd.last(), began) > int64(quiet) || now-began > int64(r.Drain) {
			return nil // what has not come is lost
		}
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
