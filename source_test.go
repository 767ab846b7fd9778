package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorded is an API that answers every call with one document and keeps what it was sent.
type recorded struct {
	url, method, path, body string
	answer                  string
	changed                 func(r *recorded) // before each answer
}

func record(t *testing.T, answer string) *recorded {
	t.Helper()
	rec := &recorded{answer: answer}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		rec.method, rec.path, rec.body = r.Method, r.URL.Path, string(b)
		if rec.changed != nil {
			rec.changed(rec)
		}
		io.WriteString(w, rec.answer)
	}))
	t.Cleanup(server.Close)
	rec.url = server.URL
	return rec
}

func TestASourceIsPutFromFileAndFlags(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"wiki.json": `{"url": "https://a.example/", "subject": "a", "retry": {"max": 5}, "headers": {"X-A": "1", "X-B": "2"}}`,
		"wiki.yaml": "url: https://a.example/\nsubject: a\nretry: {max: 5}\nheaders:\n  X-A: \"1\"\n  X-B: \"2\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		rec := record(t, `{"name": "wiki", "url": "https://b.example/", "subject": "a"}`)
		status, _, stderr := try(t, "source", "put", "wiki", "-f", filepath.Join(dir, name), "--url", "https://b.example/",
			"--header", "X-B=a=b;c", "--header", "Authorization=Bearer {{secret.key}}", "--sse", "--tenant", "acme", "--server", rec.url)
		if status != exitOK || rec.method != http.MethodPut || rec.path != "/v1/tenants/acme/sources/wiki" {
			t.Fatalf("%s: status %d, %s %s\n%s", name, status, rec.method, rec.path, stderr)
		}
		want := `{"headers":{"Authorization":"Bearer {{secret.key}}","X-A":"1","X-B":"a=b;c"},"retry":{"max":5},"sse":true,"subject":"a","url":"https://b.example/"}`
		if rec.body != want {
			t.Errorf("%s: sent\n%s\nwant\n%s", name, rec.body, want)
		}
		if !strings.Contains(stderr, "reads https://b.example/ into a") {
			t.Errorf("%s: said %q", name, stderr)
		}
	}
}

func TestSourceCommandsCallTheAPI(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"source stop wiki", "POST /v1/tenants/acme/sources/wiki/stop"},
		{"source start wiki", "POST /v1/tenants/acme/sources/wiki/start"},
		{"source delete wiki", "DELETE /v1/tenants/acme/sources/wiki"},
		{"secret delete key", "DELETE /v1/tenants/acme/secrets/key"},
	} {
		rec := record(t, "")
		args := append(strings.Fields(tt.args), "--tenant", "acme", "--server", rec.url)
		if status, _, stderr := try(t, args...); status != exitOK || rec.method+" "+rec.path != tt.want {
			t.Errorf("%s: status %d, %s %s\n%s", tt.args, status, rec.method, rec.path, stderr)
		}
	}
}

const waitingSource = `{"name": "wiki", "url": "https://a.example/", "subject": "wiki.{event}", "status": {"state": "waiting",
	"events": 12, "stored": 10, "dropped": 2, "bytes": 2048, "connections": 3, "attempts": 2, "lagMs": 7,
	"nextAttempt": "2026-01-02T03:04:05Z", "lastEventId": "[1,\n2]", "lastError": "status 503"}}`

func TestTheStatusOfASourceReads(t *testing.T) {
	rec := record(t, waitingSource)
	_, stdout, stderr := try(t, "source", "status", "wiki", "--tenant", "acme", "--server", rec.url)
	for _, want := range []string{
		"source        wiki\n", "state         waiting\n", "events        12 received, 10 stored, 2 dropped\n", "bytes         2.0 KiB\n",
		"attempts      2 in a row without an event\n", "next attempt  2026-", "lag           7 ms\n", "last event    [1, 2]\n", "last error    status 503\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not printed in\n%s%s", want, stdout, stderr)
		}
	}
	if strings.Contains(stdout, "plugin") {
		t.Errorf("what the source has not is printed:\n%s", stdout)
	}
	_, stdout, _ = try(t, "source", "status", "wiki", "--json", "--tenant", "acme", "--server", rec.url)
	if !json.Valid([]byte(stdout)) || !strings.Contains(stdout, `"lagMs": 7`) {
		t.Errorf("as JSON it is\n%s", stdout)
	}
}

func TestAWatchedStatusIsPrintedWhenItChanges(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	rec := record(t, waitingSource)
	calls := 0
	rec.changed = func(r *recorded) {
		switch calls++; calls {
		case 3:
			r.answer = strings.Replace(waitingSource, "waiting", "open", 1)
		case 4:
			cancel()
		}
	}
	out := newOutput()
	args := []string{"source", "status", "wiki", "--watch", "--tenant", "acme", "--server", rec.url}
	if status := run(ctx, args, &console{in: strings.NewReader(""), out: out, err: out}); status != exitOK {
		t.Errorf("status %d\n%s", status, out)
	}
	if s := out.String(); strings.Count(s, "waiting") != 1 || strings.Count(s, "open") != 1 {
		t.Errorf("printed\n%s", s)
	}
}

func TestSourcesAreListed(t *testing.T) {
	rec := record(t, `{"sources": [`+waitingSource+`]}`)
	_, stdout, stderr := try(t, "source", "list", "--tenant", "acme", "--server", rec.url)
	if !strings.Contains(stdout, "wiki  waiting  12      wiki.{event}  https://a.example/\n") {
		t.Errorf("printed\n%s%s", stdout, stderr)
	}
}

func TestSourceLogsAreFollowed(t *testing.T) {
	rec := record(t, "event: log\ndata: {\"msg\":\"connected\"}\n\n")
	out, stop := start(t, "source", "logs", "wiki", "--tenant", "acme", "--server", rec.url)
	out.await(t, "{\"msg\":\"connected\"}\n")
	stop()
	if rec.path != "/v1/tenants/acme/sources/wiki/logs" {
		t.Errorf("read %s", rec.path)
	}
}
