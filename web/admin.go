package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"github.com/millrace/millrace/broker"
)

// strictCasing makes huma take a field in another letter case for the unknown field that it is. It is
// a switch for the whole process.
var strictCasing = sync.OnceFunc(func() { huma.ValidateStrictCasing = true })

// adminAPI registers everything under /v1. Handlers' types are the OpenAPI document.
func (s *Server) adminAPI(e *echo.Echo) {
	strictCasing()
	config := huma.DefaultConfig("Millrace", s.config.Version)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", "" // see openAPI
	config.CreateHooks = nil                                             // no $schema links in answers
	config.Transformers = append(config.Transformers, hideValues)
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	registry := config.Components.Schemas
	registry.RegisterTypeAlias(reflect.TypeFor[broker.Access](), reflect.TypeFor[accessSchema]())
	registry.RegisterTypeAlias(reflect.TypeFor[broker.Origins](), reflect.TypeFor[originsSchema]())
	api := humaecho.New(e, config)
	api.UseMiddleware(s.admitCall(api), jsonByDefault)

	s.nodeCalls(api)
	s.tenantCalls(api)
	s.tokenCalls(api)
	s.pluginCalls(api)
	s.routeCalls(api)
	s.sourceCalls(api)
	s.secretCalls(api)
	s.eventCalls(e, api)
	s.backupCalls(e, api)
	e.GET("/v1/openapi.json", openAPI(api))
}

// openAPI serves the document. huma's own handler fills a variable at the first request without a
// lock, and serves three more forms that nobody asked for.
func openAPI(api huma.API) echo.HandlerFunc {
	document := sync.OnceValues(func() ([]byte, error) { return json.Marshal(api.OpenAPI()) })
	return func(c echo.Context) error {
		doc, err := document()
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/openapi+json", doc)
	}
}

// accessSchema and originsSchema describe types of broker whose JSON is not their fields.
type accessSchema struct{}

// Schema is the JSON of broker.Access.
func (accessSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeString, Enum: []any{"public", "private"}},
		{
			Type: huma.TypeObject, Required: []string{"claims"}, AdditionalProperties: false,
			Properties: map[string]*huma.Schema{"claims": {Type: huma.TypeObject, AdditionalProperties: true}},
		},
	}}
}

type originsSchema struct{}

// Schema is the JSON of broker.Origins.
func (originsSchema) Schema(huma.Registry) *huma.Schema {
	text := &huma.Schema{Type: huma.TypeString}
	many := 100
	return &huma.Schema{OneOf: []*huma.Schema{text, {Type: huma.TypeArray, Items: text, MaxItems: &many}}}
}

// hideValues takes the values that were wrong out of a problem document: they may be secrets.
func hideValues(_ huma.Context, _ string, v any) (any, error) {
	p, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	for _, e := range p.Errors {
		e.Value = nil
	}
	if p.Type == "" {
		p.Type = "about:blank"
	}
	return p, nil
}

// jsonByDefault lets curl -d, which says that it sends a form, send JSON.
func jsonByDefault(ctx huma.Context, next func(huma.Context)) {
	if h := humaecho.Unwrap(ctx).Request().Header; h.Get("Content-Type") == "application/x-www-form-urlencoded" {
		h.Del("Content-Type")
	}
	next(ctx)
}

const scopeKey = "scope"

// operation describes one call. path has {name} for parameters.
func operation(method, path, id, summary, scope string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary,
		Tags:          []string{strings.Split(strings.TrimPrefix(path, "/v1/tenants/{tenant}/"), "/")[0]},
		Security:      []map[string][]string{{"token": {}}},
		Metadata:      map[string]any{scopeKey: scope},
		DefaultStatus: http.StatusOK,
		Errors:        []int{400, 401, 403, 404, 409, 413, 422, 429, 503},
		MaxBodyBytes:  1 << 20,
	}
}

// admitCall is the access check of the calls that huma serves. It comes before anything of the
// request is read. What is not the caller's looks the same whether it exists or not.
func (s *Server) admitCall(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		scope, _ := ctx.Operation().Metadata[scopeKey].(string)
		c := humaecho.Unwrap(ctx)
		if _, err := s.admitTenant(c, scope, nil); err != nil {
			s.handleError(err, c)
			return
		}
		next(ctx)
	}
}

// admitTenant is admitCaller for those who need not know who it is.
func (s *Server) admitTenant(c echo.Context, scope string, subjects []string) (*broker.View, error) {
	view, _, err := s.admitCaller(c, scope, subjects)
	return view, err
}

// admitCaller checks a call of the admin API against the tenant in its path.
func (s *Server) admitCaller(c echo.Context, scope string, subjects []string) (*broker.View, principal, error) {
	view, who, err := s.admitCallerNow(c, scope, subjects)
	again, err := s.again(c.Request().Context(), err)
	if !again {
		return view, who, err
	}
	return s.admitCallerNow(c, scope, subjects)
}

// admitCallerNow is admitCaller with what this node knows.
func (s *Server) admitCallerNow(c echo.Context, scope string, subjects []string) (*broker.View, principal, error) {
	name := c.Param("tenant")
	var view *broker.View
	var missing error
	if name != "" {
		if view, missing = s.broker.View(c.Request().Context(), name); missing != nil {
			view = nil
		}
		if missing != nil && !errors.Is(missing, broker.ErrNotFound) {
			return nil, principal{}, missing
		}
	}
	who, err := s.admit(c.Request(), view, need{scope: scope, subjects: subjects})
	if err != nil {
		return nil, who, err
	}
	if scope != scopeOperator && missing != nil {
		return nil, who, missing
	}
	return view, who, nil
}

// register adds a call whose errors become problem documents; the cause of a 500 goes to the log. A
// call that does not find what it is about is made again with what other nodes have written, so it
// must not have done anything by then.
func register[I, O any](s *Server, api huma.API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		again, err := s.again(ctx, err)
		if again {
			out, err = handler(ctx, in)
		}
		if err == nil {
			return out, nil
		}
		p := problemOf(err)
		if p.Status == http.StatusInternalServerError {
			s.log.Error("call failed", "call", op.OperationID, "error", err)
		}
		return nil, p
	})
}

// created is the status of a PUT: 201 for what is new, 200 for what was there.
func created(isNew bool) int {
	if isNew {
		return http.StatusCreated
	}
	return http.StatusOK
}

// settle waits until this node serves what was just written.
func (s *Server) settle(ctx context.Context, tenant string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.sites.await(ctx, tenant); err != nil {
		return fail(http.StatusServiceUnavailable, "It is stored, but this node does not serve it yet.").later(2)
	}
	return nil
}

// Calls lists the calls of the admin API that are served, as GET /v1/tenants/{tenant}, in order.
func (s *Server) Calls() []string {
	var calls []string
	for _, r := range s.echo.Routes() {
		if !strings.HasPrefix(r.Path, "/v1/tenants") && !strings.HasPrefix(r.Path, "/v1/nodes") {
			continue
		}
		segments := strings.Split(r.Path, "/")
		for i, seg := range segments {
			if name, ok := strings.CutPrefix(seg, ":"); ok {
				segments[i] = "{" + name + "}"
			}
		}
		calls = append(calls, r.Method+" "+strings.Join(segments, "/"))
	}
	slices.Sort(calls)
	return calls
}
