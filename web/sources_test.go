package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/web"
)

// sourceDoc is a source as the API shows it.
type sourceDoc struct {
	Name, URL string
	Run       int
	Stopped   bool
	Status    struct {
		State, Node, LastEventID, LastError                          string
		Events, Stored, Dropped, Bytes, Connections, Attempts, LagMs int
		NextAttempt                                                  *string
	}
}

// startSources starts a node with a tenant acme, whose sources may reach loopback.
func startSources(t *testing.T, c web.Config) *node {
	t.Helper()
	c.AllowPrivateOutbound = true
	n := startNode(t, c)
	n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}}, nil)
	return n
}

// remote is a stand-in for a remote server, for as long as the test.
func remote(t *testing.T, script func(n int, r sourcetest.Request) sourcetest.Reply) *sourcetest.Server {
	t.Helper()
	s := sourcetest.NewServer(sourcetest.New(script))
	t.Cleanup(s.Close)
	return s
}

// resumed streams the events after the one that the request resumes after, and then stays silent.
func resumed(events []abi.Event) func(int, sourcetest.Request) sourcetest.Reply {
	return func(_ int, r sourcetest.Request) sourcetest.Reply {
		body := sourcetest.Stream(sourcetest.After(events, r.LastEventID))
		return sourcetest.Reply{Body: body, Stall: new(len(body))}
	}
}

// said are events that say what the shaper does with them, with ids from 1 on.
func said(data ...string) []abi.Event {
	events := make([]abi.Event, len(data))
	for i := range events {
		events[i] = abi.Event{Data: data[i], ID: fmt.Sprint(i + 1)}
	}
	return events
}

// source puts a source of tenant acme, with quick retries.
func (n *node) source(name, url string, more map[string]any) {
	n.t.Helper()
	spec := map[string]any{"url": url, "subject": "in." + name, "retry": map[string]any{"initial": 1, "max": 5}}
	for k, v := range more {
		spec[k] = v
	}
	n.must("PUT", "/v1/tenants/acme/sources/"+name, spec, nil)
}

func (n *node) getSource(name string) (doc sourceDoc) {
	n.t.Helper()
	n.must("GET", "/v1/tenants/acme/sources/"+name, nil, &doc)
	return doc
}

// reaches waits until a source stands where it should, and returns it.
func (n *node) reaches(name, state string) (doc sourceDoc) {
	n.t.Helper()
	n.eventually(name+" to be "+state, func() bool {
		doc = n.getSource(name)
		return doc.Status.State == state
	})
	return doc
}

// stored opens the history of a source's subject from its beginning.
func (n *node) stored(name string) *viewer {
	n.t.Helper()
	return n.open("/v1/tenants/acme/events?earliest&subject=in."+name, "Authorization", "Bearer "+adminToken)
}

// wantStored publishes a mark behind what the source has stored, and reads up to it: that is all there is.
func (n *node) wantStored(name string, data ...string) {
	n.t.Helper()
	v := n.stored(name)
	v.want(data...)
	n.publish("acme", "in."+name, "mark")
	v.want("mark")
	v.leave()
}

func numbered(n int) (data []string) {
	for _, e := range sourcetest.Plain(n) {
		data = append(data, e.Data)
	}
	return data
}

func TestSourceStoresAndResumes(t *testing.T) {
	n := startSources(t, web.Config{})
	events := sourcetest.Plain(50)
	half := len(sourcetest.Stream(events[:20])) + 3
	far := remote(t, func(k int, r sourcetest.Request) sourcetest.Reply {
		if k == 0 {
			return sourcetest.Reply{Body: sourcetest.Stream(events), Cut: &half}
		}
		return resumed(events)(k, r)
	})
	n.source("a", far.URL, nil)
	n.stored("a").want(numbered(50)...)
	n.wantStored("a", numbered(50)...)
	if got := far.Requests()[1].LastEventID; got != "20" {
		t.Errorf("it resumes after %q, want 20", got)
	}
	n.eventually("the status to have come to the last event", func() bool { return n.getSource("a").Status.LastEventID == "50" })
	s := n.reaches("a", "open").Status
	if s.Events != 50 || s.Stored != 50 || s.Dropped != 0 || s.Connections != 2 || s.Node != "n1" || s.Bytes == 0 || s.LastError == "" || s.NextAttempt != nil {
		t.Errorf("status %+v", s)
	}
}

func TestPutSourceIsIdempotentAndAChangeRestarts(t *testing.T) {
	n := startSources(t, web.Config{})
	far := remote(t, resumed(sourcetest.Plain(3)))
	spec := map[string]any{"url": far.URL, "subject": "in.a", "body": nil, "lastEventId": "", "events": []string{}}
	const path = "/v1/tenants/acme/sources/a"
	first, a := n.do("PUT", path, adminToken, spec)
	again, b := n.do("PUT", path, adminToken, spec)
	if first.StatusCode != 201 || again.StatusCode != 200 || string(a) != string(b) {
		t.Fatalf("%d then %d, want 201 then 200 with the same answer:\n%s\n%s", first.StatusCode, again.StatusCode, a, b)
	}
	n.stored("a").want(numbered(3)...)
	if got := far.Counts(); got.Connections != 1 {
		t.Errorf("an equal PUT connects again: %+v", got)
	}
	spec["subject"] = "in.b"
	n.must("PUT", path, spec, nil)
	n.eventually("the changed source to connect", func() bool { return far.Counts().Connections == 2 })
	if got := far.Requests()[1].LastEventID; got != "3" {
		t.Errorf("with another subject it goes on after %q, want 3", got)
	}
	n.eventually("the old connection to be gone", func() bool { return far.Counts().Open == 1 })
	if got := n.getSource("a").Run; got != 2 {
		t.Errorf("run %d, want 2", got)
	}
}

func TestSourceStopsAndStarts(t *testing.T) {
	n := startSources(t, web.Config{})
	far := remote(t, resumed(sourcetest.Plain(3)))
	n.source("a", far.URL, nil)
	n.stored("a").want(numbered(3)...)
	var doc sourceDoc
	n.must("POST", "/v1/tenants/acme/sources/a/stop", nil, &doc)
	if doc.Status.State != "stopped" || !doc.Stopped || doc.Status.LastEventID != "3" {
		t.Errorf("stopped: %+v", doc)
	}
	check(t, far.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Open == 0 }))
	doc = sourceDoc{}
	n.must("POST", "/v1/tenants/acme/sources/a/start", nil, &doc)
	if doc.Stopped || doc.Run != 2 {
		t.Errorf("started: %+v", doc)
	}
	check(t, far.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Open == 1 }))
	if got := far.Requests()[1].LastEventID; got != "3" {
		t.Errorf("it goes on after %q, want 3", got)
	}
	n.must("DELETE", "/v1/tenants/acme/sources/a", nil, nil)
	check(t, far.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Open == 0 }))
	if got := n.status("GET", "/v1/tenants/acme/sources/a", adminToken, nil); got != 404 {
		t.Errorf("a deleted source is a %d", got)
	}
	n.wantStored("a", numbered(3)...)
	// The same name again is another source, which begins at the beginning.
	n.source("a", far.URL, map[string]any{"subject": "in.again"})
	check(t, far.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Open == 1 }))
	if got := far.Requests()[2].LastEventID; got != "" {
		t.Errorf("a new source resumes after %q", got)
	}
}

func TestSourceLog(t *testing.T) {
	n := startSources(t, web.Config{})
	far := remote(t, sourcetest.Then(sourcetest.Reply{Status: 503, Body: []byte("come back")}, sourcetest.Reply{Status: 204}))
	n.source("a", far.URL, nil)
	n.reaches("a", "done")
	v := n.open("/v1/tenants/acme/sources/a/logs", "Authorization", "Bearer "+adminToken)
	var levels, texts []string
	for !slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, "state: done") }) {
		e := v.next()
		var line struct{ Time, Level, Text string }
		check(t, json.Unmarshal([]byte(e.Data), &line))
		levels, texts = append(levels, line.Level), append(texts, line.Text)
	}
	if !strings.Contains(strings.Join(texts, "\n"), "503") || !slices.Contains(levels, "WARN") {
		t.Errorf("log %q at %q", texts, levels)
	}
}

func TestListSources(t *testing.T) {
	n := startSources(t, web.Config{})
	far := remote(t, resumed(sourcetest.Plain(1)))
	for _, name := range []string{"b", "a"} {
		n.source(name, far.URL, nil)
		n.reaches(name, "open")
	}
	var out struct{ Sources []sourceDoc }
	n.must("GET", "/v1/tenants/acme/sources", nil, &out)
	if len(out.Sources) != 2 || out.Sources[0].Name != "a" || out.Sources[1].Status.State != "open" {
		t.Errorf("sources %+v", out)
	}
	if got := n.status("DELETE", "/v1/tenants/acme/sources/a", adminToken, nil); got != http.StatusNoContent {
		t.Errorf("delete is a %d", got)
	}
}

// TestEachFieldOfASourceIsExplained in the document of the admin API.
func TestEachFieldOfASourceIsExplained(t *testing.T) {
	n := startNode(t, web.Config{})
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Description string }
			}
		}
	}
	n.must("GET", "/v1/openapi.json", nil, &doc)
	plain := []string{"$schema", "name", "created"}
	for _, name := range []string{"SourceSpec", "SourceBody", "Retry", "Status", "SecretInfo"} {
		schema, ok := doc.Components.Schemas[name]
		if !ok || len(schema.Properties) == 0 {
			t.Errorf("there is no schema %s", name)
		}
		for field, p := range schema.Properties {
			if p.Description == "" && !slices.Contains(plain, field) {
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
}
