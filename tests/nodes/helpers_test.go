package nodes

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/tests/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// setUp makes a tenant with a public stream that has one event.
func setUp(t *testing.T, base, token string) {
	t.Helper()
	must(t, token, http.MethodPut, base+"/v1/tenants/acme", "")
	must(t, token, http.MethodPut, base+"/v1/tenants/acme/routes/news", `{"path": "/news", "subjects": ["news"], "access": "public"}`)
	must(t, token, http.MethodPost, base+"/v1/tenants/acme/events/news", "one")
}

// must sends a request as the operator, which must succeed.
func must(t *testing.T, token, method, url, body string) (answer string) {
	t.Helper()
	status, answer := request(t, token, method, url, body)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d: %s", method, url, status, answer)
	}
	return answer
}

// ended reads to the end of a stream whose viewer must be told when to come back.
func ended(t *testing.T, s *sse.Reader) {
	t.Helper()
	if e, err := s.Next(); err != io.EOF {
		t.Fatalf("a viewer of the node gets %+v, %v; want the end", e, err)
	}
	if _, told := s.Retry(); !told {
		t.Error("a viewer is not told when to come back")
	}
}

func request(t *testing.T, token, method, url, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// open opens the stream as an EventSource does that has an id.
func open(t *testing.T, base, id string) *sse.Reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/t/acme/news", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Last-Event-ID", id)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the stream is answered with %s: an EventSource gives up", resp.Status)
	}
	return sse.NewReader(resp.Body, 0)
}

func want(t *testing.T, s *sse.Reader, data string) {
	t.Helper()
	if e, err := s.Next(); e.Data != data || err != nil {
		t.Fatalf("the stream brings %q, %v; want %q", e.Data, err, data)
	}
}

// millrace runs the program against a server, and returns all that it prints.
func millrace(t *testing.T, server, token string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program.Binary(), args...)
	cmd.Env = append(os.Environ(), "MILLRACE_SERVER="+server, "MILLRACE_TOKEN="+token)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("millrace %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for a minute")
		}
	}
}
