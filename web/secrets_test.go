package web_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/web"
)

func TestSecretsAreFilledInAndNeverShown(t *testing.T) {
	n := startSources(t, web.Config{})
	const secret = "sk-very-secret"
	far := remote(t, func(_ int, r sourcetest.Request) sourcetest.Reply {
		return sourcetest.Reply{Status: 403, Body: []byte("the key " + r.Header.Get("X-Key") + " is not welcome")}
	})
	spec := map[string]any{"url": far.URL + "/path?token=in-the-query", "subject": "in.a", "headers": map[string]string{"X-Key": "{{secret.key}}"}}
	resp, body := n.do("PUT", "/v1/tenants/acme/sources/a", adminToken, spec)
	if resp.StatusCode != 422 || !strings.Contains(string(body), "/v1/tenants/acme/secrets/key") {
		t.Errorf("a source with a secret that is not there: %s: %s", resp.Status, body)
	}
	n.must("PUT", "/v1/tenants/acme/secrets/key", secret+"\n", nil)
	n.must("PUT", "/v1/tenants/acme/sources/a", spec, nil)
	n.reaches("a", "failed")
	if got := far.Requests()[0].Header.Get("X-Key"); got != secret {
		t.Errorf("the remote got %q", got)
	}
	var list struct{ Secrets []struct{ Name, Put string } }
	n.must("GET", "/v1/tenants/acme/secrets", nil, &list)
	if len(list.Secrets) != 1 || list.Secrets[0].Name != "key" || list.Secrets[0].Put == "" {
		t.Errorf("secrets %+v", list)
	}
	for _, path := range []string{"/v1/tenants/acme/secrets", "/v1/tenants/acme/sources/a", "/v1/tenants/acme/sources", "/v1/tenants/acme"} {
		if _, body := n.do("GET", path, adminToken, nil); strings.Contains(string(body), secret) {
			t.Errorf("GET %s shows the secret: %s", path, body)
		}
	}
	v := n.open("/v1/tenants/acme/sources/a/logs", "Authorization", "Bearer "+adminToken)
	for e := v.next(); !strings.Contains(e.Data, "ended"); e = v.next() {
	}
	if strings.Contains(v.raw.String(), secret) {
		t.Errorf("the source's log has the secret: %s", v.raw)
	}
	if got := n.status("GET", "/v1/tenants/acme/secrets/key", adminToken, nil); got != 405 {
		t.Errorf("reading a secret is a %d", got)
	}
	n.must("DELETE", "/v1/tenants/acme/secrets/key", nil, nil)
	n.must("POST", "/v1/tenants/acme/sources/a/start", nil, nil)
	n.eventually("the missing secret to be told", func() bool {
		return strings.Contains(n.getSource("a").Status.LastError, "no such secret")
	})
	if got := far.Counts().Connections; got != 1 {
		t.Errorf("%d connections, want none without the secret", got)
	}
}

// TestASecretOfSomeHostsIsSentToNoOthers although the tenant may reach them.
func TestASecretOfSomeHostsIsSentToNoOthers(t *testing.T) {
	n := startSources(t, web.Config{})
	far := remote(t, resumed(sourcetest.Plain(1)))
	spec := map[string]any{"url": far.URL, "subject": "in.a", "headers": map[string]string{"X-Key": "{{secret.key}}"}}
	const path = "/v1/tenants/acme/secrets/key?hosts="
	n.must("PUT", path+"api.example.com,*.example.org", "sk-very-secret", nil)
	resp, body := n.do("PUT", "/v1/tenants/acme/sources/a", adminToken, spec)
	if resp.StatusCode != 422 || !strings.Contains(string(body), "key is not for 127.0.0.1") {
		t.Errorf("a source with a secret for others: %s: %s", resp.Status, body)
	}
	n.must("PUT", path+"127.0.0.1", "sk-very-secret", nil)
	n.must("PUT", "/v1/tenants/acme/sources/a", spec, nil)
	n.reaches("a", "open")
	n.must("PUT", path+"api.example.com,*.example.org", "sk-very-secret", nil)
	n.must("POST", "/v1/tenants/acme/sources/a/start", nil, nil)
	if got := n.reaches("a", "failed").Status.LastError; !strings.Contains(got, "secret key is for other hosts than 127.0.0.1") {
		t.Errorf("last error %q", got)
	}
	if got := far.Counts().Connections; got != 1 {
		t.Errorf("%d connections, want no more than while it could", got)
	}
	var list struct{ Secrets []struct{ Hosts []string } }
	n.must("GET", "/v1/tenants/acme/secrets", nil, &list)
	if len(list.Secrets) != 1 || strings.Join(list.Secrets[0].Hosts, " ") != "api.example.com *.example.org" {
		t.Errorf("secrets %+v", list)
	}
	if got := n.status("PUT", path+"https://x", adminToken, "sk"); got != 422 {
		t.Errorf("a host that is none is a %d", got)
	}
}
