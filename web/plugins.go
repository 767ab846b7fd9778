package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
)

func (s *Server) pluginCalls(api huma.API) {
	const all, one = "/v1/tenants/{tenant}/plugins", "/v1/tenants/{tenant}/plugins/{plugin}"
	register(s, api, upload(operation(http.MethodPut, one, "putPlugin", "Upload a version of a plugin", scopeDeploy)), s.putPlugin)
	register(s, api, operation(http.MethodGet, all, "listPlugins", "List plugins with their versions, newest first", scopeDeploy), s.listPlugins)
	register(s, api, operation(http.MethodGet, one, "getPlugin", "Show a plugin with its versions, newest first", scopeDeploy), s.getPlugin)
	del := operation(http.MethodDelete, one, "deletePlugin", "Delete a plugin that no route or source uses", scopeDeploy)
	del.DefaultStatus = http.StatusNoContent
	register(s, api, del, s.deletePlugin)
}

// upload makes op take a module.
func upload(op huma.Operation) huma.Operation {
	op.MaxBodyBytes = abi.MaxModuleBytes
	op.BodyReadTimeout = 5 * time.Minute
	return op
}

// PluginPath is the input of calls on a plugin.
type PluginPath struct {
	TenantPath
	Plugin string `path:"plugin"`
}

// uploaded is a version as the answer to its upload shows it.
type uploaded struct {
	broker.PluginVersion
	Snapshot       bool   `json:"snapshot" doc:"Streams begin from a copy-on-write snapshot of the initialised module"`
	SnapshotReason string `json:"snapshotReason,omitempty" doc:"Why they do not"`
}

func showUploaded(v broker.PluginVersion, p *host.Plugin) uploaded {
	info := p.Info()
	return uploaded{v, info.Snapshot, info.SnapshotReason}
}

type pluginOut struct {
	Status int
	Body   uploaded
}

func (s *Server) putPlugin(ctx context.Context, in *struct {
	PluginPath
	RawBody []byte `contentType:"application/wasm"`
}) (*pluginOut, error) {
	if !abi.ValidName(in.Plugin) {
		return nil, badName("plugin")
	}
	view, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	if err := roomFor(view.Plugins, in.Plugin, "plugins", maxPlugins); err != nil {
		return nil, err
	}
	v, isNew, p, err := s.storePlugin(ctx, in.Tenant, in.Plugin, in.RawBody)
	if err != nil {
		return nil, err
	}
	defer p.Release()
	if err := s.settle(ctx, in.Tenant); err != nil {
		return nil, err
	}
	return &pluginOut{created(isNew), showUploaded(v, p)}, nil
}

// storePlugin prepares an uploaded module, which checks it, and stores it if it stood the checks.
// The prepared plugin is the caller's to release: held until the route is in force, it saves a
// second compilation.
func (s *Server) storePlugin(ctx context.Context, tenant, name string, wasm []byte) (broker.PluginVersion, bool, *host.Plugin, error) {
	p, err := s.config.Host.Prepare(ctx, wasm)
	if err != nil {
		return broker.PluginVersion{}, false, nil, err
	}
	info := p.Info()
	v, isNew, err := s.broker.PutPlugin(ctx, tenant, broker.PluginVersion{
		Name: name, Digest: info.Digest, Size: info.Size, Exports: info.Exports, Imports: info.Imports,
		Language: info.Language, Created: time.Now().UTC(),
	}, wasm)
	if err != nil {
		p.Release()
		return v, false, nil, err
	}
	return v, isNew, p, nil
}

type pluginsOut struct {
	Body struct {
		Plugins []broker.Plugin `json:"plugins"`
	}
}

func (s *Server) listPlugins(ctx context.Context, in *TenantPath) (*pluginsOut, error) {
	v, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	out := &pluginsOut{}
	out.Body.Plugins = []broker.Plugin{}
	for _, name := range sortedKeys(v.Plugins) {
		out.Body.Plugins = append(out.Body.Plugins, v.Plugins[name])
	}
	return out, nil
}

func (s *Server) getPlugin(ctx context.Context, in *PluginPath) (*struct{ Body broker.Plugin }, error) {
	v, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	p, ok := v.Plugins[in.Plugin]
	if !ok {
		return nil, broker.ErrNotFound
	}
	return &struct{ Body broker.Plugin }{p}, nil
}

func (s *Server) deletePlugin(ctx context.Context, in *PluginPath) (*noContent, error) {
	err := s.broker.DeletePlugin(ctx, in.Tenant, in.Plugin)
	if err == nil {
		s.logs.forget(in.Tenant, pluginLog(in.Plugin))
	}
	return nil, err
}

// findVersion resolves a route's plugin: name (the newest), name@3 or name@sha256:…
func findVersion(view *broker.View, ref string) (broker.PluginVersion, error) {
	v, ok := view.Version(ref)
	if !ok {
		return v, bad("body.plugin", "There is no plugin %q.", ref).isUnknown()
	}
	return v, nil
}

// pluginLines streams a plugin's log lines of this node: the last ones, and then live.
func (s *Server) pluginLines(c echo.Context) error {
	name := c.Param("plugin")
	return s.serveAdminStream(c, pluginLog(name), scopeDeploy, nil, func(view *broker.View) (producer, error) {
		if _, ok := view.Plugins[name]; !ok {
			return nil, broker.ErrNotFound
		}
		return &logProducer{s.logs.of(view.Tenant.Name, pluginLog(name))}, nil
	})
}
