package web

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

func (s *Server) routeCalls(api huma.API) {
	const all, one = "/v1/tenants/{tenant}/routes", "/v1/tenants/{tenant}/routes/{route}"
	register(s, api, operation(http.MethodGet, all, "listRoutes", "List routes", scopeDeploy), s.listRoutes)
	register(s, api, operation(http.MethodGet, one, "getRoute", "Show a route", scopeDeploy), s.getRoute)
	register(s, api, operation(http.MethodPut, one, "putRoute", "Make or change a route", scopeDeploy), s.putRoute)
	del := operation(http.MethodDelete, one, "deleteRoute", "Delete a route", scopeDeploy)
	del.DefaultStatus = http.StatusNoContent
	register(s, api, del, s.deleteRoute)
	register(s, api, operation(http.MethodGet, one+"/revisions", "listRevisions", "List a route's revisions, newest first", scopeDeploy), s.listRevisions)
	register(s, api, operation(http.MethodPost, one+"/rollback", "rollbackRoute", "Put an earlier revision in force again", scopeDeploy), s.rollbackRoute)
	register(s, api, upload(operation(http.MethodPut, one+"/callback", "putCallback", "Upload a callback and serve it", scopeDeploy)), s.putCallback)
}

// RoutePath is the input of calls on a route.
type RoutePath struct {
	TenantPath
	Route string `path:"route"`
}

// routeBody is a route as it is shown: the revision in force.
type routeBody struct {
	Name string `json:"name"`
	broker.RouteRevision
}

type routeOut struct {
	Status int
	Body   routeBody
}

func showRoute(status int, r broker.Route) *routeOut {
	return &routeOut{status, routeBody{r.Name, r.Revisions[0]}}
}

func (s *Server) findRoute(ctx context.Context, in *RoutePath) (broker.Route, error) {
	v, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return broker.Route{}, err
	}
	r, ok := v.Routes[in.Route]
	if !ok {
		return r, broker.ErrNotFound
	}
	return r, nil
}

func (s *Server) getRoute(ctx context.Context, in *RoutePath) (*routeOut, error) {
	r, err := s.findRoute(ctx, in)
	if err != nil {
		return nil, err
	}
	return showRoute(http.StatusOK, r), nil
}

type routesOut struct {
	Body struct {
		Routes []routeBody `json:"routes"`
	}
}

func (s *Server) listRoutes(ctx context.Context, in *TenantPath) (*routesOut, error) {
	v, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	out := &routesOut{}
	out.Body.Routes = []routeBody{}
	for _, name := range sortedKeys(v.Routes) {
		out.Body.Routes = append(out.Body.Routes, routeBody{name, v.Routes[name].Revisions[0]})
	}
	return out, nil
}

type revisionsOut struct {
	Body struct {
		Revisions []broker.RouteRevision `json:"revisions"`
	}
}

func (s *Server) listRevisions(ctx context.Context, in *RoutePath) (*revisionsOut, error) {
	r, err := s.findRoute(ctx, in)
	out := &revisionsOut{}
	out.Body.Revisions = r.Revisions
	return out, err
}

func (s *Server) putRoute(ctx context.Context, in *struct {
	RoutePath
	Body broker.RouteSpec
}) (*routeOut, error) {
	if !abi.ValidName(in.Route) {
		return nil, badName("route")
	}
	view, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	spec := in.Body
	if err := checkRoute(view, in.Route, &spec); err != nil {
		return nil, err
	}
	r, isNew, err := s.writeRoute(ctx, in.Tenant, in.Route, spec)
	if err != nil {
		return nil, err
	}
	return showRoute(created(isNew), r), nil
}

// writeRoute stores a checked route and waits until this node serves it.
func (s *Server) writeRoute(ctx context.Context, tenant, name string, spec broker.RouteSpec) (broker.Route, bool, error) {
	r, isNew, err := s.broker.PutRoute(ctx, tenant, name, spec)
	if err != nil {
		return r, false, err
	}
	return r, isNew, s.settleRoute(ctx, tenant, r)
}

func (s *Server) settleRoute(ctx context.Context, tenant string, r broker.Route) error {
	return s.settle(ctx, tenant, func(st *site) bool {
		served := st.route(r.Name)
		return served != nil && served.revision >= r.Revisions[0].Revision
	})
}

func (s *Server) deleteRoute(ctx context.Context, in *RoutePath) (*noContent, error) {
	if err := s.broker.DeleteRoute(ctx, in.Tenant, in.Route); err != nil {
		return nil, err
	}
	return nil, s.settle(ctx, in.Tenant, func(st *site) bool { return st.route(in.Route) == nil })
}

func (s *Server) rollbackRoute(ctx context.Context, in *struct {
	RoutePath
	Body *struct {
		To int `json:"to,omitempty" minimum:"0" doc:"The revision; none is the one before"`
	} `required:"false"`
}) (*routeOut, error) {
	to := 0
	if in.Body != nil {
		to = in.Body.To
	}
	r, err := s.broker.RollbackRoute(ctx, in.Tenant, in.Route, to)
	if err != nil {
		return nil, err
	}
	return showRoute(http.StatusOK, r), s.settleRoute(ctx, in.Tenant, r)
}

// putCallback is one call from a file to a live stream: the module becomes a version of the plugin
// of the route's name, and the route points at it.
func (s *Server) putCallback(ctx context.Context, in *struct {
	RoutePath
	RawBody []byte `contentType:"application/wasm"`
}) (*struct {
	Status int
	Body   struct {
		routeBody
		Version broker.PluginVersion `json:"version"`
	}
}, error) {
	if !abi.ValidName(in.Route) {
		return nil, badName("route")
	}
	v, _, p, err := s.storePlugin(ctx, in.Tenant, in.Route, in.RawBody)
	if err != nil {
		return nil, err
	}
	defer p.Release()
	view, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	spec := callbackRoute(view, in.Route, v)
	if err := checkRoute(view, in.Route, &spec); err != nil {
		return nil, err
	}
	r, isNew, err := s.writeRoute(ctx, in.Tenant, in.Route, spec)
	if err != nil {
		return nil, err
	}
	out := &struct {
		Status int
		Body   struct {
			routeBody
			Version broker.PluginVersion `json:"version"`
		}
	}{Status: created(isNew)}
	out.Body.routeBody, out.Body.Version = showRoute(0, r).Body, v
	return out, nil
}

// callbackRoute is the route that an uploaded callback gets: the one that is there, pointed at the
// version, or a new one at its own name. A new one for an event callback takes what is published
// under its name, since it would have nothing to do without subjects.
func callbackRoute(view *broker.View, name string, v broker.PluginVersion) broker.RouteSpec {
	spec := broker.RouteSpec{Path: "/" + name}
	if r, ok := view.Routes[name]; ok {
		spec = r.Revisions[0].RouteSpec
	} else if callbackKind(v.Exports) == abi.OnEvent {
		spec.Subjects = []string{name, name + ".>"}
	}
	spec.Plugin = name + "@" + v.Digest
	return spec
}

// defaultKeepAlive is in milliseconds.
const defaultKeepAlive = 15_000

var (
	pathSegment = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)
	pathParam   = regexp.MustCompile(`^:[A-Za-z_][A-Za-z0-9_]*$`)
	origin      = regexp.MustCompile(`^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$`)
)

// checkRoute checks what the document's schema cannot, and fills in the defaults.
func checkRoute(view *broker.View, name string, spec *broker.RouteSpec) error {
	params, problem := checkPath(spec.Path)
	if problem != "" {
		return bad("body.path", "The path %s.", problem)
	}
	spec.Methods = slices.Compact(slices.Sorted(slices.Values(spec.Methods)))
	if slices.Equal(spec.Methods, []string{http.MethodGet}) {
		spec.Methods = nil
	}
	for _, m := range spec.Methods {
		if m != http.MethodGet && m != http.MethodPost {
			return bad("body.methods", "The method %q is neither GET nor POST.", m)
		}
	}
	for _, subject := range spec.Subjects {
		if problem := checkSubject(subject, params); problem != "" {
			return bad("body.subjects", "The subject %q %s.", subject, problem)
		}
	}
	for _, o := range spec.Cors {
		if o != "*" && !origin.MatchString(o) {
			return bad("body.cors", "%q is neither * nor an origin, such as https://app.example.com.", o)
		}
	}
	if err := checkConflict(view, name, spec); err != nil {
		return err
	}
	fillDefaults(spec)
	return checkCallback(view, spec)
}

// checkPath returns a path's parameters, or what is wrong with it.
func checkPath(path string) (params []string, problem string) {
	if len(path) < 1 || len(path) > 512 || path[0] != '/' {
		return nil, "has to begin with / and have at most 512 characters"
	}
	if strings.HasPrefix(path, "/_") {
		return nil, "may not begin with /_, which is kept for the server"
	}
	if path == "/" {
		return nil, ""
	}
	segments := strings.Split(path[1:], "/")
	for i, seg := range segments {
		switch {
		case seg == "*" && i == len(segments)-1:
			params = append(params, "*")
		case pathParam.MatchString(seg):
			if slices.Contains(params, seg[1:]) {
				return nil, "has the parameter " + seg + " twice"
			}
			params = append(params, seg[1:])
		case !pathSegment.MatchString(seg) || seg == "." || seg == "..":
			return nil, "has a segment that is neither plain text, :parameter nor a last *"
		}
	}
	return params, ""
}

// pathShape is the path without its parameters' names: two routes of one shape match the same.
func pathShape(path string) string {
	segments := strings.Split(path, "/")
	for i, seg := range segments {
		if strings.HasPrefix(seg, ":") {
			segments[i] = ":"
		}
	}
	return strings.Join(segments, "/")
}

func checkConflict(view *broker.View, name string, spec *broker.RouteSpec) error {
	for other, r := range view.Routes {
		have := r.Revisions[0].RouteSpec
		if other == name || pathShape(have.Path) != pathShape(spec.Path) {
			continue
		}
		if slices.ContainsFunc(methods(have), func(m string) bool { return slices.Contains(methods(*spec), m) }) {
			return fail(http.StatusConflict, "The route %s has this path already.", other).at("body.path", "in use")
		}
	}
	return nil
}

func fillDefaults(spec *broker.RouteSpec) {
	if spec.KeepAliveInterval == nil {
		spec.KeepAliveInterval = new(int64)
		*spec.KeepAliveInterval = defaultKeepAlive
	}
	for _, f := range []struct {
		v   *string
		def string
	}{{&spec.Scope, "shared"}, {&spec.OnError, "close"}} {
		if *f.v == "" {
			*f.v = f.def
		}
	}
}

// checkCallback checks that the route can do what it is made of.
func checkCallback(view *broker.View, spec *broker.RouteSpec) error {
	kind := ""
	if spec.Plugin != "" {
		v, err := findVersion(view, spec.Plugin)
		if err != nil {
			return err
		}
		if kind = callbackKind(v.Exports); kind == "" {
			return bad("body.plugin", "The plugin exports neither onStream nor onEvent, so that no route can run it.")
		}
	}
	if kind != abi.OnStream && len(spec.Subjects) == 0 {
		return bad("body.subjects", "A route without a callback, or with an event callback, needs subjects.")
	}
	return nil
}
