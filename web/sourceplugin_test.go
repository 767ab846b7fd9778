package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/web"
)

// startShaper starts a node whose tenant acme has the shaper and the mapper.
func startShaper(t *testing.T, c web.Config) *node {
	t.Helper()
	n := startSources(t, c)
	n.must("PUT", "/v1/tenants/acme/plugins/shaper", guestModule(t, "shaper"), nil)
	n.must("PUT", "/v1/tenants/acme/plugins/mapper", guestModule(t, "mapper"), nil)
	return n
}

func TestPluginShapesWhatASourceStores(t *testing.T) {
	n := startShaper(t, web.Config{})
	far := remote(t, func(_ int, r sourcetest.Request) sourcetest.Reply {
		events := append(said("one", "drop", "twice two", "whoami", "facts"), abi.Event{Data: "[DONE]", ID: "6"})
		return sourcetest.Reply{Body: sourcetest.Stream(events), Header: map[string]string{"X-Remote": "here"}}
	})
	n.source("a", far.URL+"/feed", map[string]any{"plugin": "shaper"})
	v := n.stored("a")
	v.want("ONE", "two", "two", "acme/a")
	var facts abi.Response
	e := v.next()
	check(t, json.Unmarshal([]byte(e.Data), &facts))
	if e.Name != "facts" || facts.URL != far.URL+"/feed" || facts.Status != 200 || facts.Headers["X-Remote"] != "here" ||
		facts.Attempts != 1 || facts.LastEventID != "5" || facts.Events != 5 || facts.Bytes == 0 {
		t.Errorf("event %q: facts %+v", e.Name, facts)
	}
	v.want("[DONE]", "complete")
	n.reaches("a", "done")

	log := n.open("/v1/tenants/acme/plugins/shaper/logs", "Authorization", "Bearer "+adminToken)
	if e := log.next(); !strings.Contains(e.Data, "starting") {
		t.Errorf("the plugin's log begins with %s", e.Data)
	}
	log = n.open("/v1/tenants/acme/sources/a/logs", "Authorization", "Bearer "+adminToken)
	for e := log.next(); !strings.Contains(e.Data, "starting"); e = log.next() {
	}
}

func TestEventCallbackOnASource(t *testing.T) {
	n := startShaper(t, web.Config{})
	far := remote(t, resumed(said("pass", "drop", "shout", "many 3")))
	n.source("a", far.URL, map[string]any{"plugin": "mapper"})
	n.stored("a").want("pass", "SHOUT", "0", "1", "2")
}

func TestCallbackThatFailsOnAnEvent(t *testing.T) {
	n := startShaper(t, web.Config{})
	for _, tt := range []struct {
		name, onError, state string
		stored               []string
	}{
		{"drop", "drop", "open", []string{"BEFORE", "AFTER"}},
		{"pass", "pass", "open", []string{"BEFORE", "panic", "AFTER"}},
		{"close", "close", "failed", []string{"BEFORE", "200"}},
	} {
		far := remote(t, resumed(said("before", "panic", "after")))
		n.source(tt.name, far.URL, map[string]any{"plugin": "shaper", "onError": tt.onError})
		n.stored(tt.name).want(tt.stored...)
		doc := n.reaches(tt.name, tt.state)
		if tt.state == "failed" && !strings.Contains(doc.Status.LastError, "onChunk trapped") {
			t.Errorf("%s: last error %q", tt.name, doc.Status.LastError)
		}
		if tt.onError == "drop" && doc.Status.Dropped != 1 {
			t.Errorf("dropped %d, want 1", doc.Status.Dropped)
		}
		n.wantStored(tt.name, tt.stored...)
	}
	log := n.open("/v1/tenants/acme/plugins/shaper/logs", "Authorization", "Bearer "+adminToken)
	for e := log.next(); !strings.Contains(e.Data, "onChunk failed"); e = log.next() {
	}
}

func TestCallbackAnswersAnError(t *testing.T) {
	n := startShaper(t, web.Config{})
	check(t, n.broker.KVPut(t.Context(), "acme", "on-error", []byte("1"), 0)) // stop
	far := remote(t, sourcetest.Always(sourcetest.Reply{Status: 503}))
	n.source("a", far.URL, map[string]any{"plugin": "shaper"})
	n.reaches("a", "stopped")
	n.wantStored("a", "503")
	if doc := n.getSource("a"); doc.Stopped || far.Counts().Connections != 1 {
		t.Errorf("%+v after %d connections", doc, far.Counts().Connections)
	}
	check(t, n.broker.KVPut(t.Context(), "acme", "on-error", []byte("86400000"), 0)) // a day
	n.must("POST", "/v1/tenants/acme/sources/a/start", nil, nil)
	if doc := n.reaches("a", "waiting"); doc.Status.NextAttempt == nil || doc.Status.Attempts != 1 {
		t.Errorf("%+v", doc.Status)
	}
}

func TestPluginClosesItsSource(t *testing.T) {
	for _, tt := range []struct {
		name         string
		said, stored []string // onError has the last word
		next         string   // what it goes on after
	}{
		{"with a word", []string{"one", "close", "two"}, []string{"ONE", "closing", "200"}, "2"},
		{"without", []string{"one", "hush", "two"}, []string{"ONE", "200"}, "2"},
		{"and nothing follows", []string{"one", "hush"}, []string{"ONE", "200"}, "2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			n := startNodeIn(t, dir, web.Config{AllowPrivateOutbound: true})
			n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"*"}}, nil)
			n.must("PUT", "/v1/tenants/acme/plugins/shaper", guestModule(t, "shaper"), nil)
			far := remote(t, resumed(said(tt.said...)))
			n.source("a", far.URL, map[string]any{"plugin": "shaper"})
			n.reaches("a", "stopped")
			n.wantStored("a", tt.stored...)
			n.stop()
			n = startNodeIn(t, dir, web.Config{AllowPrivateOutbound: true})
			n.reaches("a", "stopped")
			n.must("POST", "/v1/tenants/acme/sources/a/start", nil, nil)
			check(t, far.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Connections == 2 }))
			if got := far.Requests()[1].LastEventID; got != tt.next {
				t.Errorf("it goes on after %q, want %q", got, tt.next)
			}
		})
	}
}

func TestSourceTakesItsPluginsNewVersionWhenItConnects(t *testing.T) {
	n := startNodeWith(t, t.TempDir(), host.Config{}, web.Config{AllowPrivateOutbound: true})
	n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}}, nil)
	n.must("PUT", "/v1/tenants/acme/plugins/p", guestModule(t, "shaper"), nil)
	events, deployed := said("one", "two", "pass"), make(chan struct{})
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		after, wait := events[:2], deployed // then it is interrupted
		if r.Header.Get("Last-Event-ID") == "2" {
			after, wait = events[2:], nil
		}
		_, _ = w.Write(sourcetest.Stream(after)) // a source that has left is noticed below
		_ = http.NewResponseController(w).Flush()
		select {
		case <-wait:
		case <-r.Context().Done():
		}
	}))
	defer far.Close()
	defer n.stop() // or its source would hold the remote open
	n.source("a", far.URL, map[string]any{"plugin": "p"})
	v := n.stored("a")
	v.want("ONE", "TWO")
	n.must("PUT", "/v1/tenants/acme/plugins/p", guestModule(t, "mapper"), nil)
	close(deployed)
	if e := v.next(); e.Name != "failed" { // the shaper's last word
		t.Errorf("event %q %q", e.Name, e.Data)
	}
	v.want("pass") // the mapper's way, unchanged
	if got := n.status("DELETE", "/v1/tenants/acme/plugins/p", adminToken, nil); got != 409 {
		t.Errorf("deleting a source's plugin is a %d, want 409", got)
	}
	n.must("DELETE", "/v1/tenants/acme/sources/a", nil, nil)
	n.eventually("the plugin to be let go", func() bool { return n.host.Stats().Modules == 0 })
}

func TestSourceCallbackOpensAStream(t *testing.T) {
	n := startShaper(t, web.Config{})
	other := remote(t, resumed(said("from elsewhere")))
	far := remote(t, resumed(said("open "+other.URL, "open http://example.com/")))
	n.source("a", far.URL, map[string]any{"plugin": "shaper"})
	n.stored("a").want("from elsewhere", "not granted")
	check(t, other.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Connections == 1 && c.Open == 0 }))
}

func TestSourceWaitsForAFreeInstance(t *testing.T) {
	n := startNodeWith(t, t.TempDir(), host.Config{Instances: 2}, web.Config{AllowPrivateOutbound: true})
	n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}}, nil)
	n.must("PUT", "/v1/tenants/acme/plugins/shaper", guestModule(t, "shaper"), nil)
	n.must("PUT", "/v1/tenants/acme/plugins/streamer", guestModule(t, "streamer"), nil)
	n.route("acme", "s", "/s", map[string]any{"plugin": "streamer"})
	events, more := said("one", "panic", "two"), make(chan struct{})
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, part := range [][]abi.Event{events[:2], events[2:]} {
			_, _ = w.Write(sourcetest.Stream(part)) // a source that has left is noticed below
			_ = http.NewResponseController(w).Flush()
			select {
			case <-more:
			case <-r.Context().Done():
				return
			}
		}
		<-r.Context().Done()
	}))
	defer far.Close()
	defer n.stop() // or its source would hold the remote open
	n.source("a", far.URL, map[string]any{"plugin": "shaper"})
	n.eventually("the panic to have cost the source its instance", func() bool { return n.getSource("a").Status.Dropped == 1 })
	viewers := []*viewer{n.open("/t/acme/s?case=wait"), n.open("/t/acme/s?case=wait")}
	for _, v := range viewers {
		v.want("waiting") // and holds one of the two instances
	}
	close(more)
	stored := n.stored("a")
	stored.want("ONE")
	viewers[0].leave()
	stored.want("TWO")
	if got := n.getSource("a").Status.Dropped; got != 1 {
		t.Errorf("%d events are dropped, want the one that panics", got)
	}
}
