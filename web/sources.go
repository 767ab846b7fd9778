package web

import (
	"context"
	"net/http"
	"regexp"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
)

func (s *Server) sourceCalls(api huma.API) {
	const all, one = "/v1/tenants/{tenant}/sources", "/v1/tenants/{tenant}/sources/{source}"
	register(s, api, operation(http.MethodGet, all, "listSources", "List sources and where they stand", scopeDeploy), s.listSources)
	register(s, api, operation(http.MethodGet, one, "getSource", "Show a source and where it stands", scopeDeploy), s.getSource)
	register(s, api, operation(http.MethodPut, one, "putSource", "Make or change a source, and start it", scopeDeploy), s.putSource)
	del := operation(http.MethodDelete, one, "deleteSource", "Delete a source; what it has stored stays", scopeDeploy)
	del.DefaultStatus = http.StatusNoContent
	register(s, api, del, s.deleteSource)
	register(s, api, operation(http.MethodPost, one+"/stop", "stopSource", "Stop a source", scopeDeploy), s.stopSource)
	register(s, api, operation(http.MethodPost, one+"/start", "startSource", "Start a source that is stopped, done or failed, or connect it anew", scopeDeploy), s.startSource)
}

// SourcePath is the input of calls on a source.
type SourcePath struct {
	TenantPath
	Source string `path:"source"`
}

// sourceSpec is what users set; it has a name of its own in the document.
type sourceSpec source.Config

// sourceBody is a source as it is shown. The answer to a PUT has no status, so that an equal PUT has
// an equal answer.
type sourceBody struct {
	broker.Source
	Status *source.Status `json:"status,omitempty" doc:"Where it stands; not in the answer to a PUT"`
}

type sourceOut struct {
	Status int
	Body   sourceBody
}

func (s *Server) showSource(ctx context.Context, tenant string, src broker.Source) (*sourceOut, error) {
	states, err := s.sourceStates(ctx, tenant, map[string]broker.Source{src.Name: src})
	if err != nil {
		return nil, err
	}
	status := states[src.Name]
	return &sourceOut{http.StatusOK, sourceBody{src, &status}}, nil
}

type sourcesOut struct {
	Body struct {
		Sources []sourceBody `json:"sources"`
	}
}

func (s *Server) listSources(ctx context.Context, in *TenantPath) (*sourcesOut, error) {
	v, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	out := &sourcesOut{}
	out.Body.Sources = []sourceBody{}
	states, err := s.sourceStates(ctx, in.Tenant, v.Sources)
	if err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(v.Sources) {
		status := states[name]
		out.Body.Sources = append(out.Body.Sources, sourceBody{v.Sources[name], &status})
	}
	return out, nil
}

func (s *Server) getSource(ctx context.Context, in *SourcePath) (*sourceOut, error) {
	v, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	src, ok := v.Sources[in.Source]
	if !ok {
		return nil, broker.ErrNotFound
	}
	out, err := s.showSource(ctx, in.Tenant, src)
	if err != nil {
		return nil, err
	}
	if out.Body.Status.Connections == 0 { // since this node knows of it
		cursor, err := s.broker.SourceStore(v, src.Name).Cursor(ctx)
		if err == nil && cursor.Revision > 0 {
			out.Body.Status.LastEventID = cursor.LastEventID
		}
	}
	return out, nil
}

func (s *Server) putSource(ctx context.Context, in *struct {
	SourcePath
	Body sourceSpec
}) (*sourceOut, error) {
	if !abi.ValidName(in.Source) {
		return nil, badName("source")
	}
	view, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	config, err := source.Config(in.Body).WithDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkSource(view, config); err != nil {
		return nil, err
	}
	src, isNew, err := s.broker.PutSource(ctx, in.Tenant, in.Source, config)
	if err != nil {
		return nil, err
	}
	s.workers.settle(ctx, in.Tenant, in.Source)
	return &sourceOut{created(isNew), sourceBody{Source: src}}, nil
}

// checkSource checks that the tenant has what the source needs.
func checkSource(view *broker.View, c source.Config) error {
	host := hostOf(c.URL)
	if !view.MayReach(host) {
		return bad("body.url", "The tenant may not reach %s: the operator has to add it to the tenant's outbound.", host)
	}
	for _, name := range sortedKeys(c.Headers) {
		for _, secret := range secretsIn(c.Headers[name]) {
			is, ok := view.Secrets[secret]
			switch {
			case !ok:
				return bad("body.headers."+name, "There is no secret %s: put it to /v1/tenants/%s/secrets/%s first.", secret, view.Tenant.Name, secret).isUnknown()
			case !is.For(host):
				return bad("body.headers."+name, "The secret %s is not for %s: put it again with that host in ?hosts=.", secret, host).isUnknown()
			}
		}
	}
	if c.Plugin == "" {
		return nil
	}
	v, err := findVersion(view, c.Plugin)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(sourceCallbacks, func(name string) bool { return slices.Contains(v.Exports, name) }) {
		return bad("body.plugin", "The plugin exports none of a source's callbacks: onRequestStart, onChunk, onEvent, onComplete, onError.")
	}
	return nil
}

var secretReference = regexp.MustCompile(`\{\{secret\.([a-z0-9-]+)\}\}`)

// secretsIn are the secrets that a header's value names.
func secretsIn(value string) (names []string) {
	for _, match := range secretReference.FindAllStringSubmatch(value, -1) {
		names = append(names, match[1])
	}
	return names
}

func (s *Server) deleteSource(ctx context.Context, in *SourcePath) (*noContent, error) {
	if err := s.broker.DeleteSource(ctx, in.Tenant, in.Source); err != nil {
		return nil, err
	}
	s.workers.settle(ctx, in.Tenant, in.Source)
	return nil, nil
}

func (s *Server) stopSource(ctx context.Context, in *SourcePath) (*sourceOut, error) {
	return s.turnSource(ctx, in, s.broker.StopSource)
}

func (s *Server) startSource(ctx context.Context, in *SourcePath) (*sourceOut, error) {
	return s.turnSource(ctx, in, s.broker.StartSource)
}

// turnSource changes a source and answers when this node acts by it.
func (s *Server) turnSource(ctx context.Context, in *SourcePath, turn func(ctx context.Context, tenant, name string) (broker.Source, error)) (*sourceOut, error) {
	src, err := turn(ctx, in.Tenant, in.Source)
	if err != nil {
		return nil, err
	}
	s.workers.settle(ctx, in.Tenant, in.Source)
	return s.showSource(ctx, in.Tenant, src)
}

// sourceLines streams a source's log lines of the node that runs it: the last ones, and then live.
func (s *Server) sourceLines(c echo.Context) error {
	name := c.Param("source")
	return s.serveAdminStream(c, sourceLog(name), scopeDeploy, nil, func(view *broker.View) (producer, error) {
		if _, ok := view.Sources[name]; !ok {
			return nil, broker.ErrNotFound
		}
		return &sourceLogProducer{s, view.Tenant.Name, name}, nil
	})
}
