package web_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/millrace/millrace/broker/backup"
	"github.com/millrace/millrace/web"
)

// keyed sends a request with a backup's key.
func (n *node) keyed(method, path, token, key string, body []byte) (status int, answer []byte) {
	n.t.Helper()
	req, err := http.NewRequest(method, n.url+path, bytes.NewReader(body))
	check(n.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	if key != "" {
		req.Header.Set(web.BackupKeyHeader, key)
	}
	resp, err := http.DefaultClient.Do(req)
	check(n.t, err)
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	check(n.t, err)
	return resp.StatusCode, answer
}

func keyText(t *testing.T, content string) string {
	t.Helper()
	key, err := backup.NewKey([]byte(strings.Repeat(content, 32)))
	check(t, err)
	return key.Text()
}

func TestWhoMayBackUpAndRestore(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.must("PUT", "/v1/tenants/other", nil, nil)
	n.must("PUT", "/v1/tenants/acme/secrets/key", "value", nil)
	n.must("POST", "/v1/tenants/acme/events/news", "first", nil)
	_, admin := n.token("acme", nil, "admin")
	_, deploy := n.token("acme", nil, "deploy", "publish", "subscribe")
	_, stranger := n.token("other", nil, "admin")
	key, other := keyText(t, "a"), keyText(t, "b")
	_, plain := n.keyed("GET", "/v1/tenants/acme/backup", admin, "", nil)
	_, sealed := n.keyed("GET", "/v1/tenants/acme/backup", adminToken, key, nil)
	if bytes.Contains(sealed, []byte("value")) || bytes.Contains(plain, []byte("sealed")) {
		t.Error("a backup shows a secret")
	}
	for _, tt := range []struct {
		name, method, path, token, key string
		body                           []byte
		status                         int
	}{
		{"a tenant's administrator backs it up", "GET", "acme/backup", admin, "", nil, 200},
		{"but not with its secrets", "GET", "acme/backup", admin, key, nil, 403},
		{"the operator does", "GET", "acme/backup", adminToken, key, nil, 200},
		{"a key that is none", "GET", "acme/backup", adminToken, "x", nil, 400},
		{"other scopes do not", "GET", "acme/backup", deploy, "", nil, 403},
		{"nor another tenant's administrator", "GET", "acme/backup", stranger, "", nil, 401},
		{"there is no such tenant", "GET", "nobody/backup", adminToken, "", nil, 404},
		{"only the operator restores", "POST", "acme/restore?replace=true", admin, "", plain, 403},
		{"not into another tenant either", "POST", "copy/restore", admin, "", plain, 401},
		{"a tenant that exists stays", "POST", "acme/restore", adminToken, "", plain, 409},
		{"a tenant of no name", "POST", "No!/restore", adminToken, "", plain, 422},
		{"what was cut off", "POST", "copy/restore", adminToken, "", plain[:len(plain)/2], 422},
		{"what is no backup", "POST", "copy/restore", adminToken, "", []byte("{}"), 422},
		{"nothing", "POST", "copy/restore", adminToken, "", nil, 422},
		{"secrets without their key", "POST", "copy/restore", adminToken, "", sealed, 422},
		{"with another key", "POST", "copy/restore", adminToken, other, sealed, 422},
		{"without them", "POST", "copy/restore?withoutSecrets=true", adminToken, "", sealed, 201},
		{"with them", "POST", "copy/restore?replace=true", adminToken, key, sealed, 201},
	} {
		if status, answer := n.keyed(tt.method, "/v1/tenants/"+tt.path, tt.token, tt.key, tt.body); status != tt.status {
			t.Errorf("%s: %d, want %d: %.300s", tt.name, status, tt.status, answer)
		}
	}
}

// TestARestoredTenantServes: its routes, its hosts, its tokens and its viewers' ids.
func TestARestoredTenantServes(t *testing.T) {
	from := startNode(t, web.Config{})
	from.must("PUT", "/v1/tenants/acme", map[string]any{"hosts": []string{"acme.example.com", "www.acme.example.com"}}, nil)
	from.must("PUT", "/v1/tenants/acme/routes/news", map[string]any{"path": "/news", "subjects": []string{"news"}, "access": "public"}, nil)
	_, publisher := from.token("acme", nil, "publish")
	var ids []string
	for _, data := range []string{"one", "two", "three"} {
		var out struct{ ID string }
		from.must("POST", "/v1/tenants/acme/events/news", data, &out)
		ids = append(ids, out.ID)
	}
	_, file := from.keyed("GET", "/v1/tenants/acme/backup", adminToken, "", nil)

	to := startNode(t, web.Config{})
	to.must("PUT", "/v1/tenants/there", map[string]any{"hosts": []string{"www.acme.example.com"}}, nil)
	status, answer := to.keyed("POST", "/v1/tenants/acme/restore", adminToken, "", file)
	if status != 201 || !strings.Contains(string(answer), `"events":3,"last":3`) || !strings.Contains(string(answer), `"hostsLeftOut":["www.acme.example.com"]`) {
		t.Fatalf("restore: %d: %s", status, answer)
	}
	v := to.open("/t/acme/news", "Last-Event-ID", ids[0])
	for _, want := range []string{"two", "three"} {
		if e := v.next(); e.Data != want {
			t.Errorf("a viewer who comes back gets %+v, want %s", e, want)
		}
	}
	if got := to.status("POST", "/v1/tenants/acme/events/news", publisher, "four"); got != 201 {
		t.Errorf("the publisher's token is a %d", got)
	}
	if e := v.next(); e.Data != "four" {
		t.Errorf("live comes %+v", e)
	}
	v = to.open("/t/acme/news", "Last-Event-ID", strings.Replace(ids[2], "-3", "-4", 1))
	if e := v.next(); e.Name != "reset" {
		t.Errorf("with an id that was given after the backup comes %+v", e)
	}
}
