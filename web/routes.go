package web

import (
	"context"
	"net/http"

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
	register(s, api, operation(http.MethodGet, one+"/viewers", "listViewers", "Count a route's viewers on all nodes, by subject and by whose they are", scopeDeploy), s.routeViewers)
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
	defer s.writes.lock(in.Tenant)()
	view, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	if err := roomFor(view.Routes, in.Route, "routes", maxRoutes); err != nil {
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
	if err := s.settle(ctx, tenant); err != nil {
		return err
	}
	if served := s.sites.get(tenant).route(r.Name); served != nil && served.failed != nil {
		return fail(http.StatusServiceUnavailable, "The route is stored, but its callback cannot be prepared on this node.").later(5)
	}
	return nil
}

func (s *Server) deleteRoute(ctx context.Context, in *RoutePath) (*noContent, error) {
	if err := s.broker.DeleteRoute(ctx, in.Tenant, in.Route); err != nil {
		return nil, err
	}
	return nil, s.settle(ctx, in.Tenant)
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
	defer s.writes.lock(in.Tenant)()
	view, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	spec, err := earlier(view, in.Route, to)
	if err != nil {
		return nil, err
	}
	if err := checkRoute(view, in.Route, &spec); err != nil {
		return nil, err
	}
	r, err := s.broker.RollbackRoute(ctx, in.Tenant, in.Route, to)
	if err != nil {
		return nil, err
	}
	return showRoute(http.StatusOK, r), s.settleRoute(ctx, in.Tenant, r)
}

// earlier is a revision of a route to go back to, 0 being the one before. What was right when it
// was made may not be so any more: its path may be another route's by now.
func earlier(view *broker.View, name string, revision int) (broker.RouteSpec, error) {
	revisions := view.Routes[name].Revisions
	for i, r := range revisions {
		if r.Revision == revision || revision == 0 && i == 1 {
			return r.RouteSpec, nil
		}
	}
	return broker.RouteSpec{}, broker.ErrNotFound
}

// callbackOut is the route that serves an uploaded callback, with the version that it became.
type callbackOut struct {
	Status int
	Body   struct {
		routeBody
		Version uploaded `json:"version"`
	}
}

// putCallback is one call from a file to a live stream: the module becomes a version of the plugin
// of the route's name, and the route points at it.
func (s *Server) putCallback(ctx context.Context, in *struct {
	RoutePath
	RawBody []byte `contentType:"application/wasm"`
}) (*callbackOut, error) {
	if !abi.ValidName(in.Route) {
		return nil, badName("route")
	}
	view, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	if err := roomForRoute(view, in.Route); err != nil {
		return nil, err
	}
	v, _, p, err := s.storePlugin(ctx, in.Tenant, in.Route, in.RawBody)
	if err != nil {
		return nil, err
	}
	defer p.Release()
	r, isNew, err := s.pointRoute(ctx, in.Tenant, in.Route, v)
	if err != nil {
		return nil, err
	}
	out := &callbackOut{Status: created(isNew)}
	out.Body.routeBody, out.Body.Version = showRoute(0, r).Body, showUploaded(v, p)
	return out, nil
}

// pointRoute makes or changes a route so that it runs an uploaded callback.
func (s *Server) pointRoute(ctx context.Context, tenant, name string, v broker.PluginVersion) (broker.Route, bool, error) {
	defer s.writes.lock(tenant)()
	view, err := s.broker.View(ctx, tenant)
	if err != nil {
		return broker.Route{}, false, err
	}
	spec := callbackRoute(view, name, v)
	if err := checkRoute(view, name, &spec); err != nil {
		return broker.Route{}, false, err
	}
	return s.writeRoute(ctx, tenant, name, spec)
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
