package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
)

// site is what a tenant serves at one moment: its routes with their prepared callbacks and the
// router over them. It never changes; the next change makes another.
type site struct {
	view   *broker.View
	echo   *echo.Echo // holds the router and the number of parameters it needs
	routes map[string]*route
}

// route is a route that is served.
type route struct {
	tenant   string
	name     string
	revision int
	spec     broker.RouteSpec
	callback *callback // nil for a plain tail
	kind     string    // abi.OnStream, abi.OnEvent or "" for a plain tail
	failed   error     // why its callback could not be prepared; it answers 503
	limits   *limiter
}

// newSite makes the routes of view, taking over from old what did not change.
func newSite(ctx context.Context, b *broker.Broker, h *host.Host, view *broker.View, old *site, log *slog.Logger) *site {
	st := &site{view: view, echo: echo.New(), routes: make(map[string]*route, len(view.Routes))}
	for _, name := range sortedKeys(view.Routes) {
		rev := view.Routes[name].Revisions[0]
		r := &route{tenant: view.Tenant.Name, name: name, revision: rev.Revision, spec: rev.RouteSpec}
		r.prepare(ctx, b, h, view, old)
		if r.failed != nil {
			log.Error("route cannot be served", "tenant", r.tenant, "route", name, "error", r.failed)
		}
		st.routes[name] = r
		for _, m := range methods(r.spec) {
			st.echo.Router().Add(m, rev.Path, func(c echo.Context) error {
				c.Set(routeKey, r)
				return nil
			})
		}
	}
	return st
}

const routeKey = "route"

// prepare gets the route its callback, from old when it has the same version.
func (r *route) prepare(ctx context.Context, b *broker.Broker, h *host.Host, view *broker.View, old *site) {
	before := old.route(r.name)
	if before != nil && before.spec.Limits == r.spec.Limits {
		r.limits = before.limits
	} else {
		r.limits = newLimiter(r.spec.Limits)
	}
	if r.spec.Plugin == "" {
		return
	}
	v, err := findVersion(view, r.spec.Plugin)
	if err != nil {
		r.failed = err
		return
	}
	if before != nil && before.callback != nil && before.callback.version.Digest == v.Digest && before.callback.hold() {
		r.callback = before.callback
	} else if r.callback, r.failed = prepare(ctx, b, h, v); r.failed != nil {
		return
	}
	r.kind = callbackKind(r.callback.plugin.Info().Exports)
}

// callbackKind is the callback that a route runs: onStream before onEvent, "" if there is neither.
func callbackKind(exports []string) string {
	for _, kind := range []string{abi.OnStream, abi.OnEvent} {
		if slices.Contains(exports, kind) {
			return kind
		}
	}
	return ""
}

// digest is the module that the route runs, "" for a plain tail.
func (r *route) digest() string {
	if r.callback == nil {
		return ""
	}
	return r.callback.version.Digest
}

// route returns the named route, or nil; a nil site has none.
func (st *site) route(name string) *route {
	if st == nil {
		return nil
	}
	return st.routes[name]
}

// close lets go of the callbacks.
func (st *site) close() {
	for _, r := range st.routes {
		if r.callback != nil {
			r.callback.drop()
		}
	}
}

// find returns the route for a request and a context that has its path parameters; the error is
// 404 or 405.
func (st *site) find(r *http.Request, w http.ResponseWriter, path string) (*route, echo.Context, error) {
	c := st.echo.NewContext(r, w)
	st.echo.Router().Find(r.Method, path, c)
	if err := c.Handler()(c); err != nil {
		return nil, nil, err
	}
	found, ok := c.Get(routeKey).(*route)
	if !ok || paramsHaveSlash(c) {
		return nil, nil, fail(http.StatusNotFound, "There is no route at this path.")
	}
	return found, c, nil
}

// paramsHaveSlash tells whether a parameter other than * took more than one segment: Echo lets the
// last one match all the rest.
func paramsHaveSlash(c echo.Context) bool {
	for i, name := range c.ParamNames() {
		if name != "*" && strings.Contains(c.ParamValues()[i], "/") {
			return true
		}
	}
	return false
}

func methods(spec broker.RouteSpec) []string {
	if len(spec.Methods) == 0 {
		return []string{http.MethodGet}
	}
	return spec.Methods
}

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
