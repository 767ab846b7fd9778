package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
)

// sites keeps every tenant's site up with the registry.
type sites struct {
	broker  *broker.Broker
	host    *host.Host
	log     *slog.Logger
	own     *tenancies
	noticed func(ctx context.Context, tenant string, view *broker.View) // at once after a change; view is nil when the tenant is gone

	mu      sync.Mutex
	byName  map[string]*site
	hosts   map[string]string // host name to tenant
	changes uint64            // so far
	news    map[string]bool   // to be noticed
	pending map[string]uint64 // to be rebuilt, with the number of the first change that asks for it
	busy    map[string]uint64 // being rebuilt, likewise
	ready   bool
	trouble map[string]bool // tenants of which a callback could not be prepared, though nothing is wrong with it
	began   time.Time       // of run
	wake    chan struct{}   // cap 1: there may be something to take
	moved   chan struct{}   // closed and replaced at the end of every rebuild
}

func newSites(b *broker.Broker, h *host.Host, own *tenancies, log *slog.Logger, noticed func(context.Context, string, *broker.View)) *sites {
	return &sites{
		broker: b, host: h, own: own, log: log, noticed: noticed,
		byName: map[string]*site{}, hosts: map[string]string{},
		news: map[string]bool{}, pending: map[string]uint64{}, busy: map[string]uint64{}, trouble: map[string]bool{},
		wake: make(chan struct{}, 1), moved: make(chan struct{}),
	}
}

// changed asks for a rebuild; several before it begins become one.
func (ss *sites) changed(tenant string) {
	ss.mu.Lock()
	ss.changes++
	ss.news[tenant] = true
	if _, asked := ss.pending[tenant]; !asked {
		ss.pending[tenant] = ss.changes
	}
	ss.mu.Unlock()
	ss.poke()
}

const (
	builders   = 2               // tenants that are rebuilt at once; others wait with what they have
	retryBuild = 5 * time.Second // until a rebuild that met trouble is tried again
	troubleFor = time.Minute     // that a node which starts is not ready for it; then it serves what it can
)

// run rebuilds until ctx ends, and then lets go of all callbacks.
func (ss *sites) run(ctx context.Context) {
	ss.mu.Lock()
	ss.began = time.Now()
	ss.mu.Unlock()
	for _, v := range ss.broker.Views() {
		ss.changed(v.Tenant.Name)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, builders)
	for ctx.Err() == nil {
		news, rebuild := ss.take()
		for _, tenant := range news {
			ss.notice(ctx, tenant)
		}
		for _, tenant := range rebuild {
			wg.Go(func() {
				slots <- struct{}{}
				ss.rebuild(ctx, tenant)
				<-slots
				ss.done(tenant)
			})
		}
		select {
		case <-ctx.Done():
		case <-ss.wake:
		}
	}
	wg.Wait()
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, st := range ss.byName {
		st.close()
	}
	clear(ss.byName)
}

// take gives the tenants to notice and those to rebuild now: never one that is being rebuilt. With
// nothing left to do for the first time, the node has prepared all that it serves.
func (ss *sites) take() (news, rebuild []string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	news = sortedKeys(ss.news)
	clear(ss.news)
	for _, name := range sortedKeys(ss.pending) {
		if _, busy := ss.busy[name]; !busy {
			rebuild = append(rebuild, name)
			ss.busy[name] = ss.pending[name]
			delete(ss.pending, name)
		}
	}
	ss.ready = ss.ready || len(ss.busy) == 0 && (len(ss.trouble) == 0 || time.Since(ss.began) > troubleFor)
	return news, rebuild
}

// done ends a rebuild; changes that came meanwhile are taken next.
func (ss *sites) done(tenant string) {
	ss.mu.Lock()
	delete(ss.busy, tenant)
	close(ss.moved)
	ss.moved = make(chan struct{})
	ss.mu.Unlock()
	ss.poke()
}

func (ss *sites) poke() {
	select {
	case ss.wake <- struct{}{}:
	default:
	}
}

func (ss *sites) loaded() bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.ready
}

// notice tells of a change without waiting for callbacks to be prepared.
func (ss *sites) notice(ctx context.Context, tenant string) {
	view, err := ss.broker.View(ctx, tenant)
	switch {
	case err == nil, errors.Is(err, broker.ErrNotFound):
		ss.noticed(ctx, tenant, view)
	case ctx.Err() == nil:
		ss.again(ctx, tenant)
	}
}

// rebuild brings one tenant's site up to the registry's view and swaps it in.
func (ss *sites) rebuild(ctx context.Context, tenant string) {
	view, err := ss.broker.View(ctx, tenant)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		if ctx.Err() == nil {
			ss.log.Error("tenant cannot be read", "tenant", tenant, "error", err)
			ss.again(ctx, tenant)
		}
		return
	}
	ss.mu.Lock()
	old := ss.byName[tenant]
	ss.mu.Unlock()
	var next *site
	if err == nil {
		next = newSite(ctx, ss.broker, ss.host, view, ss.own.of(view), old, ss.log)
	}
	ss.mu.Lock()
	delete(ss.trouble, tenant)
	if next != nil && next.troubled() {
		ss.trouble[tenant] = true
	}
	if next != nil {
		ss.byName[tenant] = next
	} else {
		delete(ss.byName, tenant)
	}
	ss.indexHosts()
	ss.mu.Unlock()
	if old != nil {
		old.close()
	}
	if next != nil && next.troubled() {
		ss.again(ctx, tenant)
	}
}

// again asks for another rebuild a while later.
func (ss *sites) again(ctx context.Context, tenant string) {
	timer := time.AfterFunc(retryBuild, func() { ss.changed(tenant) })
	context.AfterFunc(ctx, func() { timer.Stop() })
}

func (ss *sites) indexHosts() {
	clear(ss.hosts)
	for _, name := range sortedKeys(ss.byName) {
		for _, h := range ss.byName[name].view.Tenant.Hosts {
			ss.hosts[strings.ToLower(h)] = name
		}
	}
}

// byHost returns the tenant whose own host name the request is for, or "".
func (ss *sites) byHost(hostport string) string {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.hosts[nameOfHost(hostport)]
}

// nameOfHost is the name in a request's host, in lower case.
func nameOfHost(hostport string) string {
	name, _, err := net.SplitHostPort(hostport)
	if err != nil {
		name = hostport
	}
	return strings.ToLower(name)
}

// get returns the tenant's site, or nil.
func (ss *sites) get(tenant string) *site {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.byName[tenant]
}

// await waits until all changes of a tenant that were made before are served, so that a write is
// answered only once this node acts by it.
func (ss *sites) await(ctx context.Context, tenant string) error {
	ss.mu.Lock()
	upTo := ss.changes
	for ss.behind(tenant, upTo) {
		moved := ss.moved
		ss.mu.Unlock()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-moved:
		}
		ss.mu.Lock()
	}
	ss.mu.Unlock()
	return nil
}

// behind tells whether a change of the tenant up to a number is not served yet.
func (ss *sites) behind(tenant string, upTo uint64) bool {
	first, pending := ss.pending[tenant]
	begun, busy := ss.busy[tenant]
	return pending && first <= upTo || busy && begun <= upTo
}
