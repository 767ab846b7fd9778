package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// run is one run and what it has come to.
type run struct {
	Config
	epoch      time.Time
	marks      marks
	stream     *target
	crowd      *crowd
	publishers []*publisher

	published    atomic.Int64
	acknowledged []*latencies // by publisher
	mu           sync.Mutex
	failures     int64 // guarded by mu
	why          error // of the last; guarded by mu

	openingTook        int64
	publishFrom, began int64 // when publishing, and what is measured, began
	publishedUntil     atomic.Int64
	spent              int64 // on what is measured
	empty, full        usage // of the server without and with viewers
	from, to           usage // around what is measured
	cpuFrom, cpuTo     time.Duration
}

func newRun(c Config) (*run, error) {
	r := &run{Config: c, epoch: time.Now(), marks: newMarks()}
	var err error
	if c.Mode != Publish {
		if r.stream, err = newTarget(c.Stream, c.AnyHost); err != nil {
			return nil, err
		}
	}
	if c.Mode != Idle {
		to, err := newTarget(c.Publish, c.AnyHost)
		if err != nil {
			return nil, err
		}
		for range c.Publishers {
			r.publishers = append(r.publishers, newPublisher(to, c.PayloadBytes))
			r.acknowledged = append(r.acknowledged, newLatencies())
		}
	}
	if r.stream == nil {
		r.crowd = &crowd{}
		return r, nil
	}
	r.crowd, err = newCrowd(c, r.stream, r.marks, r.now)
	return r, err
}

// now is the time since the run began, in nanoseconds. It never goes back.
func (r *run) now() int64 { return int64(time.Since(r.epoch)) }

// close ends all connections.
func (r *run) close() {
	r.crowd.close()
	for _, p := range r.publishers {
		p.close()
	}
}

// open opens the viewers and, unless they are what is measured, lets the server come to rest.
func (r *run) open(ctx context.Context, lastID string) error {
	if r.stream == nil {
		return nil
	}
	done := r.progress("opening viewers", int64(r.Viewers), r.crowd.opened.Load)
	defer done()
	if lastID == "" {
		r.empty = r.measure(ctx)
	}
	began := r.now()
	err := r.crowd.open(ctx, r.Viewers, r.stream.streamHead(lastID), func(i int64) *viewer {
		slow := int64(float64(i+1)*r.SlowShare) > int64(float64(i)*r.SlowShare) // evenly among all
		return &viewer{from: make([]sequence, r.Publishers), slow: slow}
	})
	r.openingTook = r.now() - began
	if err != nil || lastID != "" {
		return err
	}
	if err := pause(ctx, r.Settle); err != nil {
		return err
	}
	r.full = r.measure(ctx)
	return nil
}

// begin notes where what is measured begins, end where it ends.
func (r *run) begin(ctx context.Context) {
	r.from, r.cpuFrom, r.began = r.measure(ctx), r.ownCPU(), r.now()
}

func (r *run) end(ctx context.Context) {
	r.to, r.cpuTo = r.measure(ctx), r.ownCPU()
}

// measure measures the server; what cannot be measured is not reported.
func (r *run) measure(ctx context.Context) usage {
	u, err := r.Usage(ctx)
	return usage{Usage: u, known: err == nil}
}

// usage is Usage that may not be known.
type usage struct {
	Usage
	known bool
}

func (r *run) ownCPU() time.Duration {
	if r.GeneratorCPU == nil {
		return 0
	}
	return r.GeneratorCPU()
}

func (r *run) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures++
	r.why = err
}

// failure is why the last event that could not be published could not.
func (r *run) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.why == nil {
		return errors.New("there was no time for it")
	}
	return r.why
}

// progress tells how far a stage is, until the function that it returns is called.
func (r *run) progress(stage string, total int64, done func() int64) (end func()) {
	return beside(context.Background(), func(ctx context.Context) {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				r.Progress(stage, done(), total)
			case <-ctx.Done():
				return
			}
		}
	})
}
