// Package workload is publishers, viewers and remote sources that use a Millrace installation while it
// suffers, and note all that they see for the checker.
//
// Publishers repeat an event with the same idempotency key until it is acknowledged. Viewers do what a
// browser's EventSource does, and nothing more. Remotes number what they send. Where the installation
// is reached is a parameter: one node, each of several, or a balancer. The package owns its connections
// and the remotes; it knows the HTTP contract, not what runs behind it.
package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/tests/faults/checker"
)

// Config says who does what where. A zero field takes its default; 0 sources are none.
type Config struct {
	URLs  []string // base URLs that lead to the installation; each user starts with another
	Token string   // the operator's

	Publishers int           // default 20
	Viewers    int           // default 300
	Sources    int           // remotes and the sources that pull them
	Pause      time.Duration // of a publisher or remote between two events; default 100 ms

	// Patience bounds the wait for one acknowledgement, and at the end for what viewers and sources
	// still lack; default 100 s. An idempotency key is good for two minutes.
	Patience time.Duration
}

func (c Config) withDefaults() (_ Config, err error) {
	c.Publishers = cmp.Or(c.Publishers, 20)
	c.Viewers = cmp.Or(c.Viewers, 300)
	c.Pause = cmp.Or(c.Pause, 100*time.Millisecond)
	c.Patience = cmp.Or(c.Patience, 100*time.Second)
	if len(c.URLs) == 0 || c.Token == "" {
		err = errors.New("a workload without a URL or a token")
	}
	if c.Publishers < 1 || c.Viewers < 1 || c.Sources < 0 || c.Pause < 0 || c.Patience < 0 {
		err = errors.Join(err, errors.New("a workload with less than nothing"))
	}
	return c, err
}

// Result is what a Run has seen.
type Result struct {
	History checker.History

	SlowestPublish time.Duration // from first try to acknowledgement
	SlowestAnswer  time.Duration // of a try, whatever it says, or the end of its connection; of 20 s at most
	SlowestReturn  time.Duration // of a viewer, from a stream's end to the next stream's beginning
	Returns        int           // how often viewers came back
	LongestSilence time.Duration // between two events at a viewer of all subjects

	// SlowestDelivery is from an event's acknowledgement until a viewer has it, without the time before
	// the installation has recovered, which is when it acknowledges again.
	SlowestDelivery Slowest
	SlowestFeed     Slowest // from when a remote has an event until a viewer has it
}

// tenant is the workload's own.
const tenant = "faults"

// Run sets up a tenant, lets everybody work while during runs, and then lets them come to an end: each
// publisher has its acknowledgement, each source what its remote sent, each viewer the last event of
// all. What a viewer still lacks after Patience is for the checker to find. Errors are those of during,
// of an answer that no fault excuses, and of an event that is not acknowledged within Patience.
func Run(ctx context.Context, c Config, during func(context.Context) error) (Result, error) {
	c, err := c.withDefaults()
	if err != nil {
		return Result{}, err
	}
	w := &run{config: c, transport: &http.Transport{MaxIdleConnsPerHost: c.Publishers, ResponseHeaderTimeout: 30 * time.Second}}
	w.client.Transport = w.transport
	defer w.transport.CloseIdleConnections()
	if c.Sources > 0 {
		feeds, err := startFeeds(c.Sources, c.Pause)
		if err != nil {
			return Result{}, err
		}
		defer feeds.close()
		w.feeds = feeds
	}
	if err := w.setUp(ctx); err != nil {
		return Result{}, fmt.Errorf("set up: %w", err)
	}
	return w.run(ctx, during)
}

// run is one Run.
type run struct {
	config    Config
	client    http.Client
	transport *http.Transport
	feeds     *feeds // nil without sources

	acks       acks
	waits      longest     // for answers to requests
	halt       atomic.Bool // publishers begin no more events
	publishers []*publisher
	viewers    []*viewer
}

// run starts everybody, and ends the publishers first and the viewers last.
func (w *run) run(ctx context.Context, during func(context.Context) error) (Result, error) {
	viewing, leave := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer func() {
		leave()
		watching.Wait()
	}()
	for i := range w.config.Viewers {
		v := newViewer(w, i)
		w.viewers = append(w.viewers, v)
		watching.Go(func() { v.run(viewing) })
	}
	if err := w.publishWhile(ctx, during); err != nil {
		return Result{}, err
	}
	stored, err := w.finish(ctx)
	if err != nil {
		return Result{}, err
	}
	giveUp := time.AfterFunc(w.config.Patience, leave)
	defer giveUp.Stop()
	watching.Wait()
	return w.result(stored), ctx.Err()
}

// publishWhile runs the publishers as long as during does.
func (w *run) publishWhile(ctx context.Context, during func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var publishing sync.WaitGroup
	for i := range w.config.Publishers {
		p := newPublisher(w, i)
		w.publishers = append(w.publishers, p)
		publishing.Go(func() {
			if err := p.run(ctx); err != nil {
				cancel(fmt.Errorf("publisher %d: %w", i, err))
			}
		})
	}
	err := during(ctx)
	w.halt.Store(true)
	if err != nil {
		cancel(err)
	}
	publishing.Wait()
	return context.Cause(ctx)
}

func (w *run) result(stored []checker.Event) Result {
	r := Result{History: checker.History{Stored: stored}, SlowestAnswer: time.Duration(w.waits.ns.Load())}
	for _, p := range w.publishers {
		r.History.Acknowledged = append(r.History.Acknowledged, p.acknowledged...)
		r.SlowestPublish = max(r.SlowestPublish, p.slowest)
	}
	if w.feeds != nil {
		r.History.Acknowledged = append(r.History.Acknowledged, w.feeds.sent()...)
	}
	for _, v := range w.viewers {
		r.History.Viewers = append(r.History.Viewers, v.seen)
		r.SlowestReturn = max(r.SlowestReturn, v.slowest)
		r.SlowestDelivery.saw(v.delivery.Took, v.delivery.At)
		r.SlowestFeed.saw(v.feed.Took, v.feed.At)
		r.Returns += v.returns
		if v.path == allPath {
			r.LongestSilence = max(r.LongestSilence, v.silence)
		}
	}
	return r
}
