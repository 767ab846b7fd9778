package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/host"
)

// worker is one run of a source, from a start by its user to the next, as this node sees it.
type worker struct {
	server *Server
	slots  chan struct{} // of the node
	run    sourceRun
	source broker.Source
	log    *slog.Logger // to the source's log
	after  <-chan struct{}
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when it has ended

	ending bool // it was told to end; workers.mu guards this and the next
	gone   bool // the source was deleted

	mu     sync.Mutex
	puller *source.Worker // while it pulls
	status source.Status  // while it does not
}

// sourceRun tells one run from another.
type sourceRun struct {
	tenant, uid string // the tenant
	name        string
	created     int64 // by Unix time in nanoseconds
	run         uint64
	reachable   bool // the tenant may reach the source's host
}

// lease is what the node that runs the source holds.
func (r sourceRun) lease() string { return "source." + r.uid + "." + r.name }

// live runs the source whenever this node holds its lease, until it has come to its end or ctx ends.
func (w *worker) live(ctx context.Context) {
	if w.after != nil {
		<-w.after
	}
	for ctx.Err() == nil {
		held, release, err := w.server.broker.Hold(ctx, w.run.lease())
		if err != nil {
			w.trouble(ctx, "hold the source's lease", err, 0)
			continue
		}
		ended := w.hold(held)
		release()
		if ended {
			return
		}
		if ctx.Err() == nil { // it is another node's now, which knows where it stands
			w.tell(func(s *source.Status) { *s = source.Status{State: source.Connecting, LastEventID: s.LastEventID} })
		}
	}
	w.tell(func(s *source.Status) { s.State, s.NextAttempt = source.Stopped, time.Time{} })
}

// hold runs the source on a node that has its lease. It returns true at the source's own end.
func (w *worker) hold(ctx context.Context) (ended bool) {
	w.tell(func(s *source.Status) { s.Node = w.server.config.Node })
	for try := 0; ctx.Err() == nil; try++ {
		view, err := w.view(ctx)
		if err == nil {
			ended, err = w.proceed(ctx, view)
		}
		if err == nil {
			return ended
		}
		w.trouble(ctx, "source cannot begin", err, try)
	}
	return false
}

// proceed runs the source, unless it has come to its own end before.
func (w *worker) proceed(ctx context.Context, view *broker.View) (ended bool, err error) {
	before, over, err := w.server.broker.SourceEnd(ctx, view, w.run.name)
	if err != nil {
		return false, err
	}
	if over {
		w.tell(func(s *source.Status) { *s = before })
		return true, nil
	}
	end, err := w.enter(ctx)
	if end == nil {
		return false, err
	}
	w.keep(ctx, view, *end)
	return true, nil
}

// view is the tenant's. Where it wants another run, workers are about to be told: then it waits for
// the end of ctx.
func (w *worker) view(ctx context.Context) (*broker.View, error) {
	view, err := w.server.broker.View(ctx, w.run.tenant)
	if err != nil {
		return nil, err
	}
	if now, ok := view.Sources[w.run.name]; !ok || now.Run != w.run.run || now.Created.UnixNano() != w.run.created {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return view, nil
}

// enter waits for a place on the node, and pulls. It returns the source's own end, if it has come to
// it. The error is for what may pass.
func (w *worker) enter(ctx context.Context) (end *source.Status, err error) {
	select {
	case w.slots <- struct{}{}:
	default:
		w.wait("the node runs as many sources as it may", 0)
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, nil
		}
	}
	defer func() { <-w.slots }()
	w.tell(func(s *source.Status) { s.State, s.LastError, s.NextAttempt = source.Connecting, "", time.Time{} })
	view, err := w.view(ctx)
	if err != nil {
		return nil, err
	}
	return w.pull(ctx, view)
}

// pull keeps the source connected.
func (w *worker) pull(ctx context.Context, view *broker.View) (end *source.Status, err error) {
	run, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	own := w.server.tenancies.of(view)
	ending := &sourceEnding{Store: w.server.broker.SourceStore(view, w.run.name), stop: stop}
	defer ending.close()
	config := source.WorkerConfig{
		Name: w.run.name, Node: w.server.config.Node, Source: w.source.Config, Client: own.outbound.client,
		Store: ending, Logger: w.log,
	}
	if w.source.Plugin != "" {
		plugin := w.plugin(own, ending)
		if err := plugin.renew(ctx); err != nil {
			return nil, err
		}
		defer plugin.close()
		config.Callbacks = plugin.callbacks()
	}
	puller, err := source.NewWorker(config)
	if err != nil {
		return nil, err
	}
	w.begin(puller)
	defer w.finish()
	err = puller.Run(run)
	return w.ended(puller.Status(), err), nil
}

func (w *worker) plugin(own *tenancy, ending *sourceEnding) *sourcePlugin {
	return &sourcePlugin{
		server: w.server, tenant: w.run.tenant, ref: w.source.Plugin, log: w.log, ending: ending,
		session: host.Session{
			Request:  abi.Request{Tenant: w.run.tenant, Route: w.run.name},
			Services: services{w.server.broker, w.run.tenant}, Share: own.share,
		},
	}
}

// ended returns how the source came to its own end, nil if it did not.
func (w *worker) ended(status source.Status, err error) *source.Status {
	switch {
	case status.State == source.Done, status.State == source.Failed:
	case err != nil && !errors.Is(err, errClosed):
		return nil // ctx ended
	}
	if status.State == source.Failed {
		w.server.log.Warn("source failed", "tenant", w.run.tenant, "source", w.run.name, "error", err)
	}
	return &status
}

// keep keeps the source's end, so that neither a restart nor another node begins the run again. It
// tries once even when ctx has ended: a node that drains still has its storage. While the storage does
// not answer it tries on, without a place on the node.
func (w *worker) keep(ctx context.Context, view *broker.View, end source.Status) {
	for try := 0; ; try++ {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		err := w.server.broker.EndSource(within, view, w.run.name, end)
		cancel()
		if err == nil {
			return
		}
		w.server.log.Error("source's end is not kept", "tenant", w.run.tenant, "source", w.run.name, "error", err)
		if !pause(ctx, troublePause(try)) {
			return
		}
	}
}

// trouble tells of an error of the node's own, and waits before the next try.
func (w *worker) trouble(ctx context.Context, what string, err error, try int) {
	if ctx.Err() != nil {
		return
	}
	w.log.Warn(what, "error", err)
	w.server.log.Warn(what, "tenant", w.run.tenant, "source", w.run.name, "error", err)
	d := troublePause(try)
	w.wait(fmt.Sprintf("%s: %v", what, err), d)
	pause(ctx, d)
}

// troublePause is how long a worker waits after so many failed tries.
func troublePause(try int) time.Duration { return min(time.Second<<min(try, 6), 30*time.Second) }

// wait says that the source waits, for so long if that is known.
func (w *worker) wait(why string, d time.Duration) {
	w.tell(func(s *source.Status) {
		s.State, s.LastError, s.NextAttempt = source.Waiting, why, time.Time{}
		if d > 0 {
			s.NextAttempt = time.Now().Add(d).Truncate(time.Millisecond)
		}
	})
}

func (w *worker) tell(change func(s *source.Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.status)
}

func (w *worker) begin(puller *source.Worker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.puller = puller
}

// finish keeps what the puller tells last.
func (w *worker) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status, w.puller = w.puller.Status(), nil
}

// Status is where the source stands.
func (w *worker) Status() source.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.puller == nil {
		return w.status
	}
	return w.puller.Status()
}
