package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
)

// sites keeps every tenant's site up with the registry.
type sites struct {
	broker  *broker.Broker
	host    *host.Host
	log     *slog.Logger
	swapped func(tenant string, view *broker.View) // view is nil when the tenant is gone

	mu      sync.Mutex
	byName  map[string]*site
	hosts   map[string]string // host name to tenant
	pending map[string]bool   // to be rebuilt
	busy    map[string]bool   // being rebuilt
	ready   bool
	wake    chan struct{} // cap 1: there may be something to take
	moved   chan struct{} // closed and replaced at every swap
}

func newSites(b *broker.Broker, h *host.Host, log *slog.Logger, swapped func(string, *broker.View)) *sites {
	return &sites{
		broker: b, host: h, log: log, swapped: swapped,
		byName: map[string]*site{}, hosts: map[string]string{}, pending: map[string]bool{}, busy: map[string]bool{},
		wake: make(chan struct{}, 1), moved: make(chan struct{}),
	}
}

// changed asks for a rebuild; several before it begins become one.
func (ss *sites) changed(tenant string) {
	ss.mu.Lock()
	ss.pending[tenant] = true
	ss.mu.Unlock()
	ss.poke()
}

// builders is how many tenants are rebuilt at once: one tenant's long compilation holds up few.
const builders = 2

// run rebuilds until ctx ends, and then lets go of all callbacks.
func (ss *sites) run(ctx context.Context) {
	for _, v := range ss.broker.Views() {
		ss.changed(v.Tenant.Name)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, builders)
	for ctx.Err() == nil {
		for _, tenant := range ss.take() {
			slots <- struct{}{}
			wg.Go(func() {
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

// take gives the tenants to rebuild now: never one that is being rebuilt. With nothing left to do
// for the first time, the node has prepared all that it serves.
func (ss *sites) take() []string {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	var names []string
	for _, name := range sortedKeys(ss.pending) {
		if !ss.busy[name] {
			names = append(names, name)
			ss.busy[name] = true
			delete(ss.pending, name)
		}
	}
	ss.ready = ss.ready || len(ss.busy) == 0
	return names
}

// done ends a rebuild; changes that came meanwhile are taken next.
func (ss *sites) done(tenant string) {
	ss.mu.Lock()
	delete(ss.busy, tenant)
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

// rebuild brings one tenant's site up to the registry's view and swaps it in.
func (ss *sites) rebuild(ctx context.Context, tenant string) {
	view, err := ss.broker.View(ctx, tenant)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		ss.log.Error("tenant cannot be read", "tenant", tenant, "error", err)
		return
	}
	ss.mu.Lock()
	old := ss.byName[tenant]
	ss.mu.Unlock()
	var next *site
	if view != nil {
		next = newSite(ctx, ss.broker, ss.host, view, old, ss.log)
	}
	ss.mu.Lock()
	if next != nil {
		ss.byName[tenant] = next
	} else {
		delete(ss.byName, tenant)
	}
	ss.indexHosts()
	close(ss.moved)
	ss.moved = make(chan struct{})
	ss.mu.Unlock()
	if old != nil {
		old.close()
	}
	ss.swapped(tenant, view)
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
	name, _, err := net.SplitHostPort(hostport)
	if err != nil {
		name = hostport
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.hosts[strings.ToLower(name)]
}

// get returns the tenant's site, or nil.
func (ss *sites) get(tenant string) *site {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.byName[tenant]
}

// await waits until the tenant's site satisfies ok, so that a write is answered only once this
// node serves it.
func (ss *sites) await(ctx context.Context, tenant string, ok func(*site) bool) error {
	for {
		ss.mu.Lock()
		st, moved := ss.byName[tenant], ss.moved
		ss.mu.Unlock()
		if ok(st) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-moved:
		}
	}
}
