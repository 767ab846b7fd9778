package web

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
)

// Why a worker is ended from this side; the cause of its context.
var (
	errSourceStopped = errors.New("the source was stopped")
	errSourceChanged = errors.New("the source was changed")
	errSourceDeleted = errors.New("the source was deleted")
)

// workers run the sources of all tenants whose leases this node holds, and follow the registry.
type workers struct {
	server *Server
	slots  chan struct{}
	turns  turns // of those who follow one tenant

	mu       sync.Mutex
	missed   map[string]bool               // tenants whose last change could not be followed
	ctx      context.Context               // of all workers; nil before run, and once it ends
	byTenant map[string]map[string]*worker // by source, the last one of each
	wg       sync.WaitGroup
}

func newWorkers(s *Server) *workers {
	return &workers{
		server: s, slots: make(chan struct{}, s.config.Sources),
		byTenant: map[string]map[string]*worker{}, missed: map[string]bool{},
	}
}

// run runs sources until ctx ends, and waits for all of them to have let go of their leases.
func (ws *workers) run(ctx context.Context) {
	ws.mu.Lock()
	ws.ctx = ctx
	ws.mu.Unlock()
	for _, v := range ws.server.broker.Views() {
		ws.follow(ctx, v.Tenant.Name)
	}
	again := time.NewTicker(retryBuild)
	defer again.Stop()
	for ctx.Err() == nil {
		select {
		case <-again.C:
			ws.catchUp(ctx)
		case <-ctx.Done():
		}
	}
	ws.mu.Lock()
	ws.ctx = nil
	ws.mu.Unlock()
	ws.wg.Wait()
}

// catchUp follows the tenants again that could not be followed.
func (ws *workers) catchUp(ctx context.Context) {
	ws.mu.Lock()
	missed := sortedKeys(ws.missed)
	clear(ws.missed)
	ws.mu.Unlock()
	for _, tenant := range missed {
		ws.follow(ctx, tenant)
	}
}

// follow brings the tenant's workers up to the registry. It does not wait for those that it ends.
func (ws *workers) follow(ctx context.Context, tenant string) {
	defer ws.turns.lock(tenant)() // so that no view overtakes a newer one
	view, err := ws.server.broker.View(ctx, tenant)
	ws.mu.Lock()
	defer ws.mu.Unlock()
	switch {
	case ws.ctx == nil:
		return
	case err != nil && !errors.Is(err, broker.ErrNotFound):
		ws.missed[tenant] = true // no change may tell of it again
		return
	}
	if view != nil {
		for _, name := range sortedKeys(view.Sources) {
			ws.want(view, view.Sources[name])
		}
	}
	for name, w := range ws.byTenant[tenant] {
		if view == nil || !has(view.Sources, name) {
			ws.drop(tenant, w)
		}
	}
}

func has[V any](m map[string]V, key string) bool {
	_, ok := m[key]
	return ok
}

// want brings one source's worker up to what the registry says of the source.
func (ws *workers) want(view *broker.View, src broker.Source) {
	tenant := view.Tenant.Name
	run := sourceRun{
		tenant: tenant, uid: view.Tenant.UID, name: src.Name, created: src.Created.UnixNano(), run: src.Run,
		reachable: view.MayReach(hostOf(src.URL)),
	}
	w := ws.byTenant[tenant][src.Name]
	if src.Stopped {
		if w != nil {
			w.end(errSourceStopped)
		}
		return
	}
	if w != nil && w.run == run {
		return
	}
	next := ws.start(run, src, w)
	if ws.byTenant[tenant] == nil {
		ws.byTenant[tenant] = map[string]*worker{}
	}
	ws.byTenant[tenant][src.Name] = next
}

// start starts a run behind the one before, which may be nil.
func (ws *workers) start(run sourceRun, src broker.Source, before *worker) *worker {
	ctx, cancel := context.WithCancelCause(ws.ctx)
	log := ws.server.logs.of(run.tenant, sourceLog(run.name))
	w := &worker{
		server: ws.server, slots: ws.slots, run: run, source: src, cancel: cancel, done: make(chan struct{}),
		log:    slog.New(newLineHandler(log)),
		status: source.Status{State: source.Connecting, LastEventID: src.LastEventID},
	}
	if before != nil {
		before.end(errSourceChanged)
		w.after = before.done
	}
	ws.wg.Go(func() {
		defer cancel(nil)
		w.live(ctx)
		ws.leave(w)
	})
	return w
}

// end tells a worker to end, by cause.
func (w *worker) end(cause error) {
	w.ending = true
	w.cancel(cause)
}

// drop ends the worker of a source that is gone. It stays until it has ended, so that the next of
// its name waits for it.
func (ws *workers) drop(tenant string, w *worker) {
	w.gone = true
	w.end(errSourceDeleted)
	select {
	case <-w.done:
		ws.remove(w)
	default:
	}
	ws.server.logs.forget(tenant, sourceLog(w.run.name))
}

// leave notes that a worker has ended.
func (ws *workers) leave(w *worker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	close(w.done)
	if w.gone {
		ws.remove(w)
	}
}

// remove forgets a worker, unless there is a newer one.
func (ws *workers) remove(w *worker) {
	of := ws.byTenant[w.run.tenant]
	if of[w.run.name] == w {
		delete(of, w.run.name)
	}
	if len(of) == 0 {
		delete(ws.byTenant, w.run.tenant)
	}
}

// settle follows the tenant and waits, for a while, until what ran before of a source has ended.
func (ws *workers) settle(ctx context.Context, tenant, name string) {
	ws.mu.Lock()
	before := ws.byTenant[tenant][name]
	ws.mu.Unlock()
	ws.follow(ctx, tenant)
	ws.mu.Lock()
	ending := before != nil && before.ending
	ws.mu.Unlock()
	if !ending {
		return
	}
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	select {
	case <-before.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// settleTime is more than a source's callbacks may take.
const settleTime = 5 * time.Second

// state is where a source stands, as far as this node knows. here says that the node runs it, or that
// its run ended here; without that it tells of no node, and of connecting, unless the end is known.
func (ws *workers) state(tenant string, src broker.Source) (status source.Status, here bool) {
	ws.mu.Lock()
	w := ws.byTenant[tenant][src.Name]
	known := w != nil && !w.gone && w.run.created == src.Created.UnixNano()
	ws.mu.Unlock()
	status = source.Status{State: source.Connecting, LastEventID: src.LastEventID}
	if known {
		status = w.Status()
		here = status.Node == ws.server.config.Node || status.State == source.Done || status.State == source.Failed
	}
	return status, here
}

// all are the workers of the sources that this node knows of, by tenant and name.
func (ws *workers) all() (all []*worker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, tenant := range sortedKeys(ws.byTenant) {
		for _, name := range sortedKeys(ws.byTenant[tenant]) {
			if w := ws.byTenant[tenant][name]; !w.gone {
				all = append(all, w)
			}
		}
	}
	return all
}

// hostOf is the host of a URL as a tenant's allow-list has it.
func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
}
