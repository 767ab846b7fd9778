package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func clientOf(t *testing.T, h http.HandlerFunc) *client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := serverFlags{Server: server.URL + "/", Token: "secret"}.client("acme")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func TestRefusalsBecomeSentences(t *testing.T) {
	for _, tt := range []struct {
		name, contentType, body string
		status                  int
		want                    string
	}{
		{"a problem document", "application/problem+json",
			`{"title":"Unprocessable Entity","status":422,"detail":"The route is not valid.","errors":[{"location":"body.path","message":"must start with /"},{"location":"body.retry","message":"is negative"}]}`,
			422, "The route is not valid. (status 422)\n  body.path: must start with /\n  body.retry: is negative"},
		{"a problem with a title only", "application/problem+json", `{"title":"Conflict"}`, 409, "Conflict (status 409)"},
		{"a token that is missing", "application/problem+json", `{"detail":"A token is needed."}`, 401,
			"A token is needed. (status 401)\n  Give a token with --token or MILLRACE_TOKEN."},
		{"a proxy's page", "text/html", "<html>Bad gateway</html>\n<p>", 502, "<html>Bad gateway</html> (status 502)"},
		{"a long page is cut between letters", "text/html", strings.Repeat("ä", 300), 502, strings.Repeat("ä", 100) + "… (status 502)"},
		{"nothing at all", "", "", 503, "Service Unavailable (status 503)"},
		{"JSON that is no problem", "application/json", `{"ok":false}`, 500, `{"ok":false} (status 500)`},
	} {
		c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", tt.contentType)
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})
		err := c.do(t.Context(), call{method: http.MethodGet, path: "/x"}, nil)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s:\n got %v\nwant %s", tt.name, err, tt.want)
		}
	}
}

func TestCallsCarryTokenPathAndBody(t *testing.T) {
	var method, uri, token, contentType, body string
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		method, uri, token, contentType, body = r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(b)
		io.WriteString(w, `{"id":"7"}`)
	})
	var out struct{ ID string }
	err := c.do(t.Context(), call{
		method: http.MethodPut, path: pathOf("routes", "a/b ü"), query: map[string][]string{"event": {"x&y"}},
		json: map[string]int{"n": 1},
	}, &out)
	if err != nil || out.ID != "7" {
		t.Fatalf("answer %+v, %v", out, err)
	}
	got := strings.Join([]string{method, uri, token, contentType, body}, "\n")
	want := strings.Join([]string{"PUT", "/v1/tenants/acme/routes/a%2Fb%20%C3%BC?event=x%26y", "Bearer secret", "application/json", `{"n":1}`}, "\n")
	if got != want {
		t.Errorf("request is\n%s\nwant\n%s", got, want)
	}
}

func TestTheOperatorsTokenIsForThisMachineOnly(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir(defaultData, 0o700); err != nil {
		t.Fatal(err)
	}
	admin, _, err := ensureAdminToken(defaultData)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, server, token, want string }{
		{"a server here gets it", "http://127.0.0.1:8080", "", admin},
		{"by name and by IPv6 too", "http://[::1]:8080", "", admin},
		{"a server elsewhere never does", "https://stream.example.com", "", ""},
		{"nor one that only looks like here", "http://localhost.example.com", "", ""},
		{"a given token goes before it", "http://localhost:8080", "mr_x", "mr_x"},
	} {
		c, err := serverFlags{Server: tt.server, Token: tt.token}.client("t")
		if err != nil || c.token != tt.want {
			t.Errorf("%s: %v, %v", tt.name, c, err)
		}
	}
	if err := os.Chmod(filepath.Join(defaultData, adminTokenFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (serverFlags{Server: "http://127.0.0.1:8080"}).client("t"); err == nil {
		t.Error("a token that others can read is used")
	}
}
