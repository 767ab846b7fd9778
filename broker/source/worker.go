package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// WorkerConfig says what a Worker keeps connected and where its events go.
type WorkerConfig struct {
	Name      string // in logs
	Node      string // in Status
	Source    Config
	Client    *Client
	Store     Store
	Callbacks Callbacks
	Logger    *slog.Logger // default is none
}

// Worker keeps one source connected.
type Worker struct {
	config    Config
	client    *Client
	store     Store
	callbacks Callbacks
	log       *slog.Logger
	board     board
	running   sync.Mutex
}

// NewWorker returns a worker, which is Stopped until Run. The error joins every mistake in the
// source's Config.
func NewWorker(c WorkerConfig) (*Worker, error) {
	config, err := c.Source.WithDefaults()
	if c.Client == nil || c.Store == nil {
		err = errors.Join(err, errors.New("worker has no client or no store"))
	}
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", c.Name, err)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Worker{
		config: config, client: c.Client, store: c.Store, callbacks: c.Callbacks,
		log: c.Logger.With("source", c.Name),
	}
	w.board.status = Status{State: Stopped, Node: c.Node, LastEventID: config.LastEventID}
	return w, nil
}

// Status is what the source tells of itself. It is safe for concurrent use.
func (w *Worker) Status() Status { return w.board.read() }

// Run keeps the source connected until it is Done or its callback stopped it, both nil; until it has
// Failed, which is the error; or until ctx ends, with its cause. It can be called again afterwards,
// but not before it has returned.
func (w *Worker) Run(ctx context.Context) error {
	if !w.running.TryLock() {
		return errors.New("source is running already")
	}
	defer w.running.Unlock()
	w.board.change(func(s *Status) { s.LastError, s.Attempts = "", 0 })
	r := &run{Worker: w, backoff: newBackoff(w.config.Retry)}
	for {
		next := r.connect(ctx)
		if next.state == Waiting && r.wait(ctx, next.wait) {
			continue
		}
		if next.state == Waiting {
			next = verdict{state: Stopped, err: context.Cause(ctx)}
		}
		w.board.enter(next.state)
		w.log.Info("source has ended", "state", next.state, "error", next.err)
		return next.err
	}
}

// verdict is what becomes of a source after a connection.
type verdict struct {
	state State         // Waiting, Done, Stopped or Failed
	wait  time.Duration // while Waiting
	err   error         // what Run returns
}

// wait waits until the next attempt, and returns false if ctx ends before.
func (r *run) wait(ctx context.Context, wait time.Duration) bool {
	r.log.Info("source waits", "for", wait)
	r.board.enter(Waiting)
	r.board.change(func(s *Status) { s.NextAttempt = time.Now().Add(wait).Truncate(time.Millisecond) })
	return pause(ctx, wait)
}

func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
