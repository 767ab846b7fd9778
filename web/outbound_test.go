package web_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/web"
)

// startFetcher starts a node whose tenant acme relays what ?url= is.
func startFetcher(t *testing.T, c web.Config) *node {
	t.Helper()
	n := startSources(t, c)
	n.must("PUT", "/v1/tenants/acme/secrets/key", "sk-secret", nil)
	n.must("PUT", "/v1/tenants/acme/plugins/fetcher", guestModule(t, "fetcher"), nil)
	n.route("acme", "fetch", "/fetch", map[string]any{"plugin": "fetcher"})
	return n
}

func fetchPath(to string, more string) string {
	return "/t/acme/fetch?url=" + url.QueryEscape(to) + more
}

// responseOf is the response that the fetcher tells of at the end.
func responseOf(t *testing.T, e abi.Event) (r abi.Response) {
	t.Helper()
	if e.Name != "response" {
		t.Fatalf("event %q %q, want response", e.Name, e.Data)
	}
	check(t, json.Unmarshal([]byte(e.Data), &r))
	return r
}

func TestPluginRelaysARemoteStream(t *testing.T) {
	n := startFetcher(t, web.Config{})
	far := remote(t, nil)
	v := n.open(fetchPath(far.URL+"/plain?n=3", "&body=hello"))
	v.want(numbered(3)...)
	r := responseOf(t, v.next())
	if r.Status != 200 || r.LastEventID != "3" || r.Events != 3 || r.Bytes == 0 || r.Error != "" || r.Attempts != 1 {
		t.Errorf("response %+v", r)
	}
	got := far.Requests()[0]
	if got.Method != "POST" || got.Body != `{"prompt":"hello"}` || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Authorization") != "Bearer sk-secret" {
		t.Errorf("request %+v", got)
	}
	if strings.Contains(v.raw.String(), "sk-secret") {
		t.Errorf("the plugin got hold of the secret: %s", v.raw)
	}
}

func TestPluginsRemoteStreamFails(t *testing.T) {
	n := startFetcher(t, web.Config{})
	far := remote(t, nil)
	for _, tt := range []struct {
		name, path string
		events     []string
		status     int
		failure    string // in the response's error
	}{
		{"a status of its own", "/plain?status=429&retryAfter=7", nil, 429, "status 429"},
		{"no content", "/plain?status=204", nil, 204, ""},
		{"cut off", "/plain?n=2&cut=70", []string{"event 1"}, 200, "unexpected EOF"},
	} {
		v := n.open(fetchPath(far.URL+tt.path, ""))
		v.want(tt.events...)
		r := responseOf(t, v.next())
		if r.Status != tt.status || !strings.Contains(r.Error, tt.failure) || tt.failure == "" && r.Error != "" {
			t.Errorf("%s: response %+v", tt.name, r)
		}
	}
}

func TestPluginMayNotOpen(t *testing.T) {
	n := startFetcher(t, web.Config{TenantRemotes: 2})
	far := remote(t, resumed(said("one")))
	for _, tt := range []struct{ name, to, more, answer string }{
		{"a host that is not on the list", "http://example.com/", "", "not granted"},
		{"another scheme", "ftp://127.0.0.1/", "", "invalid argument"},
		{"a URL with credentials", "http://me:sk-password@127.0.0.1/", "", "invalid argument"},
		{"a port that nobody listens on", "http://127.0.0.1:1/", "", "not possible here or now"},
		{"more than its tenant may", far.URL, "&n=3", "quota or rate is used up"},
	} {
		e := n.open(fetchPath(tt.to, tt.more)).next()
		if e.Name != "refused" || e.Data != tt.answer {
			t.Errorf("%s: event %q %q, want %q", tt.name, e.Name, e.Data, tt.answer)
		}
	}
	check(t, far.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Open == 0 }))
	v := n.open(fetchPath(far.URL, "&n=2")) // what the last one had is given back
	v.want("one")
	v.leave()
	check(t, far.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Open == 0 }))
	log := n.open("/v1/tenants/acme/plugins/fetcher/logs", "Authorization", "Bearer "+adminToken)
	for e := log.next(); !strings.Contains(e.Data, "as many remote streams"); e = log.next() {
	}
	if strings.Contains(log.raw.String(), "sk-password") {
		t.Errorf("the log has the URL's credentials: %s", log.raw)
	}
}

func TestPluginMayNotOpenPrivateAddresses(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"*"}}, nil)
	n.must("PUT", "/v1/tenants/acme/secrets/key", "sk-secret", nil)
	n.must("PUT", "/v1/tenants/acme/plugins/fetcher", guestModule(t, "fetcher"), nil)
	n.route("acme", "fetch", "/fetch", map[string]any{"plugin": "fetcher"})
	far := remote(t, nil)
	if e := n.open(fetchPath(far.URL+"/plain?n=1", "")).next(); e.Data != "not granted" {
		t.Errorf("event %q %q", e.Name, e.Data)
	}
	if got := far.Counts().Connections; got != 0 {
		t.Errorf("%d connections to loopback", got)
	}
}

func TestPrivateAddressesAreRefused(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"*"}}, nil)
	far := remote(t, resumed(sourcetest.Plain(1)))
	n.source("a", far.URL, nil)
	n.source("b", strings.Replace(far.URL, "127.0.0.1", "localhost", 1), nil)
	for _, name := range []string{"a", "b"} {
		if got := n.reaches(name, "failed").Status.LastError; !strings.Contains(got, "private or loopback") {
			t.Errorf("last error %q", got)
		}
	}
	if got := far.Counts().Connections; got != 0 {
		t.Errorf("%d connections to loopback", got)
	}
}

func TestTheAllowListHoldsAtAllTimes(t *testing.T) {
	n := startSources(t, web.Config{})
	far := remote(t, resumed(sourcetest.Plain(1)))
	spec := map[string]any{"url": "https://stream.example.com/x", "subject": "in.a"}
	resp, body := n.do("PUT", "/v1/tenants/acme/sources/a", adminToken, spec)
	if resp.StatusCode != 422 || !strings.Contains(string(body), "outbound") || !strings.Contains(string(body), "body.url") {
		t.Errorf("a host that is not on the list: %s: %s", resp.Status, body)
	}
	n.source("a", far.URL, nil)
	n.stored("a").want("event 1")
	n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"*.example.com"}}, nil)
	check(t, far.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Open == 0 }))
	if got := n.reaches("a", "failed").Status.LastError; !strings.Contains(got, "127.0.0.1") {
		t.Errorf("last error %q", got)
	}
	away := remote(t, sourcetest.Always(sourcetest.Reply{Status: 307, Header: map[string]string{"Location": "https://elsewhere.example.org/"}}))
	n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}}, nil)
	n.source("b", away.URL, nil)
	if got := n.reaches("b", "failed").Status.LastError; !strings.Contains(got, "elsewhere.example.org") {
		t.Errorf("last error %q of a redirect off the list", got)
	}
}
