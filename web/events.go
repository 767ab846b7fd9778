package web

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

// eventCalls registers publishing and the streams of the admin API with Echo itself, since their
// bodies are not JSON documents, and describes them in the document.
func (s *Server) eventCalls(e *echo.Echo, api huma.API) {
	const events = "/v1/tenants/{tenant}/events"
	add := func(method, path, id, summary string, h echo.HandlerFunc, params ...*huma.Param) {
		op := operation(method, path, id, summary, "")
		op.Metadata = nil
		op.Parameters = append(pathParams(path), params...)
		op.Responses = map[string]*huma.Response{"200": {Description: "An SSE stream", Content: map[string]*huma.MediaType{"text/event-stream": {}}}}
		if method == http.MethodPost {
			op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"*/*": {}}}
			op.Responses = map[string]*huma.Response{"201": {Description: "Stored", Content: map[string]*huma.MediaType{"application/json": {}}}}
		}
		api.OpenAPI().AddOperation(&op)
		e.Add(method, echoPath(path), h)
	}
	add(http.MethodPost, events+"/{subject}", "publish", "Publish one event; the body is its data", s.publish,
		param("event", "query"), param("Idempotency-Key", "header"))
	add(http.MethodPost, events, "publishBatch", "Publish up to 1,000 events, all or none; one JSON document a line", s.publishBatch)
	add(http.MethodGet, events, "tail", "Stream subjects as they are", s.tail,
		param("subject", "query"), param("since", "query"), param("last_event_id", "query"))
	add(http.MethodGet, "/v1/tenants/{tenant}/plugins/{plugin}/logs", "pluginLogs", "Stream a plugin's log", s.pluginLines)
	add(http.MethodGet, "/v1/tenants/{tenant}/sources/{source}/logs", "sourceLogs", "Stream a source's log", s.sourceLines)
}

func param(name, in string) *huma.Param {
	return &huma.Param{Name: name, In: in, Schema: &huma.Schema{Type: huma.TypeString}}
}

type publishedOut struct {
	ID string `json:"id"`
}

// publish stores one event and answers with its id.
func (s *Server) publish(c echo.Context) error {
	subject := c.Param("subject")
	if c.Request().URL.RawPath != "" { // then Echo gives what stands there
		var err error
		if subject, err = url.PathUnescape(subject); err != nil {
			return fail(http.StatusBadRequest, "The path is not escaped as it should be.")
		}
	}
	tenant, err := s.admitPublish(c, subject)
	if err != nil {
		return err
	}
	body, err := readBody(c.Response(), c.Request(), abi.MaxSendBytes)
	if err != nil {
		return err
	}
	p := broker.Publication{
		Subject: subject, Data: string(body), Name: c.QueryParam("event"), Key: c.Request().Header.Get("Idempotency-Key"),
	}
	if err := checkPublication("", &p); err != nil {
		return err
	}
	at, err := s.broker.Publish(c.Request().Context(), tenant, p)
	if err != nil {
		return err
	}
	s.published.Add(1)
	return c.JSON(http.StatusCreated, publishedOut{at.String()})
}

// admitPublish checks that the caller may publish to the subjects.
func (s *Server) admitPublish(c echo.Context, subjects ...string) (tenant string, err error) {
	view, err := s.admitTenant(c, scopePublish, subjects)
	if err != nil {
		return "", err
	}
	return view.Tenant.Name, nil
}

// maxKeyBytes bounds an idempotency key.
const maxKeyBytes = 256

// reservedNames are of events by which the server tells viewers about their stream.
var reservedNames = []string{"gap", "reset", "expired"}

// checkPublication says what is wrong with an event before it is published; at is where it stands
// in the request.
func checkPublication(at string, p *broker.Publication) error {
	if err := broker.ValidSubject(p.Subject); err != nil {
		return bad(at+"subject", "The subject %q %s.", p.Subject, reason(err))
	}
	if slices.Contains(reservedNames, p.Name) {
		return bad(at+"event", "The event name %q is the server's own: viewers act by it.", p.Name)
	}
	if len(p.Key) > maxKeyBytes || !utf8.ValidString(p.Key) {
		return bad(at+"key", "The idempotency key is over %d bytes or not UTF-8.", maxKeyBytes)
	}
	e := abi.Event{Data: p.Data, Name: p.Name}
	switch err := e.Check(abi.MaxSendBytes); {
	case errors.Is(err, abi.TooBig) && len(p.Name) <= abi.MaxNameBytes:
		return fail(http.StatusRequestEntityTooLarge, "The data is over %d bytes.", abi.MaxSendBytes).at(at+"data", "too big")
	case err != nil && !utf8.ValidString(p.Data):
		return bad(at+"data", "The data is not UTF-8, which is all that Server-Sent Events carry.")
	case err != nil:
		return bad(at+"event", "The event name is over %d bytes, not UTF-8, or has a line break.", abi.MaxNameBytes)
	}
	return nil
}

// publishBatch stores all lines or none, and answers with their ids in order.
func (s *Server) publishBatch(c echo.Context) error {
	// Without subjects, so that nobody who may not publish at all has a body read.
	tenant, err := s.admitPublish(c)
	if err != nil {
		return err
	}
	body, err := readBody(c.Response(), c.Request(), s.config.MaxBodyBytes)
	if err != nil {
		return err
	}
	ps, err := parseBatch(body)
	if err != nil {
		return err
	}
	subjects := make([]string, len(ps))
	for i := range ps {
		subjects[i] = ps[i].Subject
	}
	if _, err := s.admitPublish(c, subjects...); err != nil {
		return err
	}
	at, err := s.broker.PublishBatch(c.Request().Context(), tenant, ps)
	if err != nil {
		return err
	}
	s.published.Add(uint64(len(at)))
	ids := make([]string, len(at))
	for i := range at {
		ids[i] = at[i].String()
	}
	return c.JSON(http.StatusCreated, map[string][]string{"ids": ids})
}

// parseBatch reads NDJSON. An error names the line, counted from 1.
func parseBatch(body []byte) ([]broker.Publication, error) {
	var ps []broker.Publication
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 2*abi.MaxSendBytes+4096)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if len(ps) == broker.MaxBatch {
			return nil, fail(http.StatusRequestEntityTooLarge, "The batch has more than %d lines.", broker.MaxBatch)
		}
		p, err := parseLine(lines.Bytes(), fmt.Sprintf("body[%d].", n))
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	if err := lines.Err(); err != nil {
		return nil, fail(http.StatusRequestEntityTooLarge, "A line of the batch is longer than an event can be.")
	}
	if len(ps) == 0 {
		return nil, bad("body", "The batch has no lines.")
	}
	return ps, nil
}

// parseLine reads one line of a batch: subject, data, event and key. Data is text, or any other JSON
// to be published as it stands.
func parseLine(line []byte, at string) (p broker.Publication, err error) {
	if !utf8.Valid(line) {
		return p, bad(at, "The line is not UTF-8.")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return p, bad(at, "The line is not one JSON document: %s.", err)
	}
	for _, name := range sortedKeys(fields) {
		text, isText := jsonString(fields[name])
		switch name {
		case "data":
			if p.Data = text; !isText {
				p.Data = string(fields[name])
			}
			continue
		case "subject":
			p.Subject = text
		case "event":
			p.Name = text
		case "key":
			p.Key = text
		default:
			return p, bad(at+name, "An event has no field %q: it has subject, data, event and key.", name)
		}
		if !isText {
			return p, bad(at+name, "The field %s is no text.", name)
		}
	}
	return p, checkPublication(at, &p)
}

// jsonString is the text of a JSON string; ok is false for any other JSON.
func jsonString(doc json.RawMessage) (text string, ok bool) {
	if len(doc) == 0 || doc[0] != '"' {
		return "", false
	}
	return text, json.Unmarshal(doc, &text) == nil
}

// tail streams subjects as they are, for tools.
func (s *Server) tail(c echo.Context) error {
	subjects := c.QueryParams()["subject"]
	if len(subjects) == 0 || len(subjects) > 64 {
		return fail(http.StatusBadRequest, "Name 1 to 64 subjects, as ?subject=quotes.>.").at("query.subject", "is missing or too many")
	}
	for _, p := range subjects {
		if err := broker.ValidPattern(p); err != nil {
			return fail(http.StatusBadRequest, "The subject %q %s.", p, reason(err)).at("query.subject", reason(err))
		}
	}
	return s.serveAdminStream(c, "events", scopeSubscribe, subjects, nil)
}

// serveAdminStream serves a stream of the admin API: the tail of subjects, or what own makes for
// the tenant.
func (s *Server) serveAdminStream(c echo.Context, name, scope string, subjects []string, own func(*broker.View) (producer, error)) error {
	view, who, err := s.admitCaller(c, scope, subjects)
	if err != nil {
		return err
	}
	r := &route{tenant: view.Tenant.Name, name: name, limits: newLimiter(broker.RouteLimits{})}
	r.spec.Subjects = subjects
	fillDefaults(&r.spec)
	req := &abi.Request{Tenant: r.tenant, Route: name, Principal: who.abi()}
	v, err := s.admittedViewer(c, r, req, who, slices.Compact(slices.Sorted(slices.Values(subjects))))
	if err != nil {
		return err
	}
	if own != nil {
		v.own, err = own(view)
		again, err := s.again(c.Request().Context(), err)
		if again {
			if view, err = s.broker.View(c.Request().Context(), r.tenant); err == nil {
				v.own, err = own(view)
			}
		}
		if err != nil {
			return err
		}
	}
	return v.serve(c)
}

// pathParams are the parameters in a path of the document.
func pathParams(path string) (params []*huma.Param) {
	names, _ := placeholders(path)
	for _, name := range names {
		p := param(name, "path")
		p.Required = true
		params = append(params, p)
	}
	return params
}

// echoPath writes a path of the document as Echo does.
func echoPath(path string) string {
	return expand(path, func(name string) string { return ":" + name })
}
