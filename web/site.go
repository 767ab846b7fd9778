package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

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
	key      string    // the spec as JSON
	callback *callback // nil for a plain tail
	kind     string    // abi.OnStream, abi.OnEvent or "" for a plain tail
	failed   error     // why its callback could not be prepared; it answers 503
	limits   *limiter
	own      *tenancy
}

// newSite makes the routes of view, taking over from old what did not change.
func newSite(ctx context.Context, b *broker.Broker, h *host.Host, view *broker.View, own *tenancy, old *site, log *slog.Logger) *site {
	st := &site{view: view, echo: echo.New(), routes: make(map[string]*route, len(view.Routes))}
	for _, name := range sortedKeys(view.Routes) {
		rev := view.Routes[name].Revisions[0]
		r := &route{tenant: view.Tenant.Name, name: name, revision: rev.Revision, spec: rev.RouteSpec, key: jsonText(rev.RouteSpec), own: own}
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
	if before == nil {
		r.limits = newLimiter(r.spec.Limits)
	} else {
		r.limits = before.limits
		r.limits.set(r.spec.Limits)
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

// channelKey names the channel of the route's viewers with these subjects. A revision's number alone
// would not do: a route that was deleted and made again begins with 1 again.
func (r *route) channelKey(subjects []string) string {
	parts := []string{r.tenant, r.name, strconv.Itoa(r.revision), r.digest(), r.key}
	return strings.Join(append(parts, subjects...), "\x00")
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

// troubled tells whether a callback could not be prepared though nothing is wrong with it, as far as
// is known.
func (st *site) troubled() bool {
	for _, r := range st.routes {
		var refused *host.RefusedError
		if r.failed != nil && problemOf(r.failed).Status >= 500 && !errors.As(r.failed, &refused) {
			return true
		}
	}
	return false
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
