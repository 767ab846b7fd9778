// Package bench loads a server of event streams and tells what its viewers saw.
//
// A run opens viewers, each a connection of its own, publishes over HTTP, and follows each viewer
// from event to event: what was delivered, lost, repeated or out of order, how late it came, and
// what it cost the server in memory and processor time. On Linux a few goroutines read all viewers,
// so that the load generator is not what limits the figures. Any server will do that takes an event
// in one HTTP/1.1 request and gives it out in data lines, so that several can be compared.
//
// The package owns the connections and goroutines of a run, which end with it. It does not know how
// the server is made ready for it.
package bench

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Mode is what a run does.
type Mode string

// The modes of a run.
const (
	Rate     Mode = "rate"     // publishes at a steady rate; one that starts late counts its wait as latency
	Saturate Mode = "saturate" // publishes as fast as it is acknowledged
	Idle     Mode = "idle"     // only keeps viewers open
	Replay   Mode = "replay"   // publishes first, then opens viewers that have missed it all
	Publish  Mode = "publish"  // publishes as fast as it is acknowledged, without viewers
)

// Run does what c says and returns what it saw. The report is of use even with an error, as far as
// the run came; the end of ctx is one.
func Run(ctx context.Context, c Config) (Report, error) {
	c, err := c.withDefaults()
	if err != nil {
		return Report{}, err
	}
	r, err := newRun(c)
	if err != nil {
		return Report{}, err
	}
	switch c.Mode {
	case Idle:
		err = r.idle(ctx)
	case Replay:
		err = r.replay(ctx)
	default:
		err = r.live(ctx)
	}
	r.close()
	return r.report(), err
}

// idle keeps viewers open for a while.
func (r *run) idle(ctx context.Context) error {
	if err := r.open(ctx, ""); err != nil {
		return err
	}
	r.begin(ctx)
	err := pause(ctx, r.Duration)
	r.spent = r.now() - r.began
	r.end(ctx)
	return err
}

// live opens viewers, publishes and waits for the deliveries. What is published first is not
// counted: it warms up both ends.
func (r *run) live(ctx context.Context) error {
	if err := r.open(ctx, ""); err != nil {
		return err
	}
	for range warmUps {
		if err := r.publishers[0].send(ctx, r.marks.warm(0), r.now()); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	if err := pause(ctx, warmUpPause); err != nil {
		return err
	}
	if r.disturbed() {
		defer beside(ctx, func(ctx context.Context) { r.crowd.comeback(ctx, r.stream) })()
	}
	r.begin(ctx)
	err := r.disturb(ctx, func() error { return r.publish(ctx, r.Mode == Rate) })
	if err == nil {
		err = r.awaitDeliveries(ctx, quietLive)
	}
	r.spent = max(r.crowd.last(), r.publishedUntil.Load()) - r.began
	r.end(ctx)
	return err
}

// replay publishes what the viewers will have missed and opens them behind it.
func (r *run) replay(ctx context.Context) error {
	id := r.LastID
	if id == "" {
		var err error
		if id, err = r.probe(ctx); err != nil {
			return fmt.Errorf("find the id to resume after: %w", err)
		}
	}
	if err := r.publish(ctx, false); err != nil {
		return err
	}
	if err := pause(ctx, r.Settle); err != nil {
		return err
	}
	r.begin(ctx)
	err := r.open(ctx, id)
	if err == nil {
		err = r.awaitDeliveries(ctx, quietReplay)
	}
	r.spent = r.crowd.last() - r.began
	r.end(ctx)
	return err
}

// disturb cuts viewers, if that is asked for, until do has returned; slow ones are slow until then.
func (r *run) disturb(ctx context.Context, do func() error) error {
	defer r.crowd.hurry()
	if r.CutShare > 0 {
		defer beside(ctx, func(ctx context.Context) { r.crowd.cutSome(ctx, r.crowd.opened.Load(), r.CutShare) })()
	}
	return do()
}

// beside runs do until stop is called, which waits for it.
func beside(ctx context.Context, do func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { do(ctx) })
	return func() { cancel(); wg.Wait() }
}

// pause waits for d, or until ctx ends, which is the error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
