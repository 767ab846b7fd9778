package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/web"
)

func TestAccessToStreams(t *testing.T) {
	n := startNode(t, web.Config{})
	for _, tenant := range []string{"acme", "other"} {
		n.must("PUT", "/v1/tenants/"+tenant, nil, nil)
		n.must("PUT", "/v1/tenants/"+tenant+"/routes/p", map[string]any{"path": "/p/:x", "subjects": []string{"a.{x}"}}, nil)
		n.must("PUT", "/v1/tenants/"+tenant+"/routes/open", map[string]any{"path": "/open", "access": "public", "subjects": []string{"a.>"}}, nil)
		n.must("PUT", "/v1/tenants/"+tenant+"/routes/claims", map[string]any{"path": "/claims", "subjects": []string{"a.x"}, "access": map[string]any{"claims": map[string]any{"plan": "gold"}}}, nil)
	}
	_, sub := n.token("acme", []string{"a.x", "b.>"}, "subscribe")
	_, all := n.token("acme", nil, "subscribe")
	_, admin := n.token("acme", nil, "admin")
	_, pub := n.token("acme", nil, "publish", "deploy")
	_, foreign := n.token("other", nil, "subscribe", "admin")
	for _, tt := range []struct {
		name, path, token string
		want              int
	}{
		{"private without a token", "/t/acme/p/x", "", 401},
		{"private with rubbish", "/t/acme/p/x", "rubbish", 401},
		{"private with another tenant's token", "/t/acme/p/x", foreign, 401},
		{"private without the scope", "/t/acme/p/x", pub, 403},
		{"private on a subject that is not covered", "/t/acme/p/y", sub, 403},
		{"private on a covered subject", "/t/acme/p/x", sub, 200},
		{"private with all subjects", "/t/acme/p/y", all, 200},
		{"private as the tenant's admin", "/t/acme/p/y", admin, 200},
		{"private as the operator", "/t/acme/p/y", adminToken, 200},
		{"public without a token", "/t/acme/open", "", 200},
		{"public with a bad token", "/t/acme/open", "rubbish", 401},
		{"claims with a token that carries none", "/t/acme/claims", all, 403},
		{"a parameter that would widen the subscription", "/t/acme/p/x.>", all, 400},
		{"a wildcard", "/t/acme/p/*", all, 400},
		{"an escaped wildcard", "/t/acme/p/%3E", all, 400},
		{"an escaped dot", "/t/acme/p/x%2Ey", all, 400},
		{"more segments than the route has", "/t/acme/p/x/y", all, 404},
		{"a path that is no route", "/t/acme/nothing", all, 404},
		{"a tenant that is none", "/t/nobody/p/x", all, 404},
		{"a path that is not escaped as it should be", "/t/acme/p/%zz", all, 400},
	} {
		req, err := http.NewRequest("GET", n.url, nil)
		check(t, err)
		req.URL.Opaque = tt.path
		if tt.token != "" {
			req.Header.Set("Authorization", "Bearer "+tt.token)
		}
		resp, err := http.DefaultClient.Do(req)
		check(t, err)
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, resp.StatusCode, tt.want)
		}
	}
	if got := n.status("POST", "/t/acme/open", "", "x"); got != 405 {
		t.Errorf("POST on a GET route is a %d, want 405", got)
	}
}

func TestRevokedTokenEndsItsStreams(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.must("PUT", "/v1/tenants/acme/routes/p", map[string]any{"path": "/p", "subjects": []string{"a"}}, nil)
	id, secret := n.token("acme", nil, "subscribe")
	_, kept := n.token("acme", nil, "subscribe")
	v, other := n.open("/t/acme/p", "Authorization", "Bearer "+secret), n.open("/t/acme/p", "Authorization", "Bearer "+kept)
	n.must("DELETE", "/v1/tenants/acme/tokens/"+id, nil, nil)
	if e := v.next(); e.Name != "expired" {
		t.Errorf("event %q %q, want expired", e.Name, e.Data)
	}
	v.ended()
	if got := n.status("GET", "/t/acme/p", secret, nil); got != 401 {
		t.Errorf("a revoked token is a %d, want 401", got)
	}
	n.publish("acme", "a", "still here")
	other.want("still here")
}

func TestTokenThatExpiresEndsItsStreams(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.must("PUT", "/v1/tenants/acme/routes/p", map[string]any{"path": "/p", "subjects": []string{"a"}}, nil)
	var out struct{ Token string }
	n.must("POST", "/v1/tenants/acme/tokens", map[string]any{"name": "short", "scopes": []string{"subscribe"}, "ttl": "1s"}, &out)
	v := n.open("/t/acme/p", "Authorization", "Bearer "+out.Token)
	if e := v.next(); e.Name != "expired" {
		t.Errorf("event %q %q, want expired", e.Name, e.Data)
	}
	v.ended()
	if got := n.status("GET", "/t/acme/p", out.Token, nil); got != 401 {
		t.Errorf("an expired token is a %d, want 401", got)
	}
}

func TestDeletedTenantEndsItsStreams(t *testing.T) {
	n := startNode(t, web.Config{})
	for _, tenant := range []string{"acme", "other"} {
		n.must("PUT", "/v1/tenants/"+tenant, nil, nil)
		n.route(tenant, "a", "/a", map[string]any{"subjects": []string{"a"}})
	}
	n.publish("acme", "a", "old")
	v, other := n.open("/t/acme/a"), n.open("/t/other/a")
	n.must("DELETE", "/v1/tenants/acme", nil, nil)
	v.ended()
	for _, path := range []string{"/t/acme/a", "/v1/tenants/acme", "/v1/tenants/acme/routes"} {
		if got := n.status("GET", path, adminToken, nil); got != 404 {
			t.Errorf("GET %s is a %d after the deletion, want 404", path, got)
		}
	}
	n.publish("other", "a", "unharmed")
	other.want("unharmed")
	// A tenant of the same name is another one.
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
	v = n.open("/t/acme/a?earliest")
	n.publish("acme", "a", "new")
	v.want("new")
}

func TestTenantsAreApart(t *testing.T) {
	n := startNode(t, web.Config{})
	for _, tenant := range []string{"acme", "other"} {
		n.must("PUT", "/v1/tenants/"+tenant, nil, nil)
		n.route(tenant, "a", "/a", map[string]any{"subjects": []string{">"}})
	}
	v := n.open("/t/other/a")
	id := n.publish("acme", "a", "acme's")
	n.publish("other", "a", "other's")
	v.want("other's")
	reset := n.open("/t/other/a", "Last-Event-ID", id)
	if e := reset.next(); e.Name != "reset" {
		t.Errorf("another tenant's id gives %q %q, want reset", e.Name, e.Data)
	}
}

func TestTenantsOwnHosts(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", map[string]any{"hosts": []string{"Acme.Example.com"}}, nil)
	n.route("acme", "a", "/a/:x", map[string]any{"subjects": []string{"a.{x}"}})
	if got := n.status("PUT", "/v1/tenants/other", adminToken, map[string]any{"hosts": []string{"acme.example.com"}}); got != 409 {
		t.Errorf("another tenant's host is a %d, want 409", got)
	}
	get := func(path string) int {
		req, err := http.NewRequest("GET", n.url+path, nil)
		check(t, err)
		req.Host = "acme.example.com:8080"
		resp, err := http.DefaultClient.Do(req)
		check(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := get("/a/x"); got != 200 {
		t.Errorf("the route on the tenant's own host is a %d, want 200", got)
	}
	for _, path := range []string{"/v1/tenants", "/t/acme/a/x", "/healthz"} {
		if got := get(path); got != 404 {
			t.Errorf("%s on a tenant's host is a %d, want 404: only its routes are there", path, got)
		}
	}
}

func TestCORS(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "none", "/none", map[string]any{"subjects": []string{"a"}})
	n.route("acme", "any", "/any", map[string]any{"subjects": []string{"a"}, "cors": "*"})
	n.route("acme", "one", "/one", map[string]any{"subjects": []string{"a"}, "cors": "https://app.example.com", "access": "private"})
	n.route("acme", "list", "/list", map[string]any{"subjects": []string{"a"}, "cors": []string{"https://app.example.com", "https://b.example.com"}})
	for _, tt := range []struct {
		path, origin, allow, credentials, vary string
	}{
		{"/none", "https://app.example.com", "", "", ""},
		{"/any", "https://app.example.com", "*", "", ""},
		{"/one", "https://app.example.com", "https://app.example.com", "true", "Origin"},
		{"/one", "https://evil.example.com", "", "", "Origin"},
		{"/list", "https://b.example.com", "https://b.example.com", "true", "Origin"},
		{"/list", "", "", "", "Origin"},
	} {
		for _, method := range []string{"GET", "OPTIONS"} {
			req, err := http.NewRequest(method, n.url+"/t/acme"+tt.path, nil)
			check(t, err)
			if tt.origin != "" {
				req.Header.Set("Origin", tt.origin)
			}
			if method == "OPTIONS" {
				req.Header.Set("Access-Control-Request-Method", "GET")
			}
			resp, err := http.DefaultClient.Do(req)
			check(t, err)
			resp.Body.Close()
			h := resp.Header
			if h.Get("Access-Control-Allow-Origin") != tt.allow || h.Get("Access-Control-Allow-Credentials") != tt.credentials || h.Get("Vary") != tt.vary {
				t.Errorf("%s %s from %q: allow %q, credentials %q, vary %q; want %q, %q, %q", method, tt.path, tt.origin,
					h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Credentials"), h.Get("Vary"), tt.allow, tt.credentials, tt.vary)
			}
			if method == "OPTIONS" && resp.StatusCode != 204 {
				t.Errorf("preflight of %s is a %d, want 204", tt.path, resp.StatusCode)
			}
		}
	}
}

func TestTokensAreListedWithoutSecrets(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	id, secret := n.token("acme", []string{"a.>"}, "publish")
	resp, body := n.do("GET", "/v1/tenants/acme/tokens", adminToken, nil)
	if resp.StatusCode != 200 || !strings.Contains(string(body), id) || strings.Contains(string(body), secret) || strings.Contains(string(body), "hash") {
		t.Errorf("%s: %s", resp.Status, body)
	}
	if !json.Valid(body) {
		t.Errorf("not JSON: %s", body)
	}
}

func TestDrainingNodeAnswers503(t *testing.T) {
	n := startNode(t, web.Config{Drain: 10 * time.Second})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
	var all []*viewer
	for range 20 { // one of them is there long enough
		all = append(all, n.open("/t/acme/a"))
	}
	if got := n.status("GET", "/readyz", "", nil); got != 200 {
		t.Errorf("readyz is a %d before", got)
	}
	go n.stop()
	n.eventually("readiness to go off", func() bool { return n.status("GET", "/readyz", "", nil) == 503 })
	resp, _ := n.do("GET", "/t/acme/a", "", nil)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a new viewer gets %s with Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
	}
	v := n.open("/t/acme/a", "Accept", "text/event-stream") // an EventSource would give up at a 503
	v.ended()
	if !strings.HasPrefix(v.raw.String(), "retry: ") {
		t.Errorf("an EventSource is turned away by %q, want a retry", v.raw)
	}
	if got := n.status("GET", "/healthz", "", nil); got != 200 {
		t.Errorf("healthz is a %d while draining", got)
	}
	for _, v := range all {
		v.leave() // the drain need not last
	}
	n.stop()
}
