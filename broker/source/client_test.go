package source_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

// loopback starts a remote on loopback and a client that may reach it.
func loopback(t *testing.T, script func(int, sourcetest.Request) sourcetest.Reply) (*sourcetest.Server, *source.Client) {
	t.Helper()
	server := sourcetest.NewServer(sourcetest.New(script))
	client := source.NewClient(source.ClientConfig{AllowPrivate: true, Secrets: secrets})
	t.Cleanup(server.Close)
	t.Cleanup(client.Close)
	return server, client
}

// read returns the data of all events, and the error that ended the stream.
func read(t *testing.T, c *source.Client, r source.Request) ([]string, error) {
	t.Helper()
	s, err := c.Connect(t.Context(), r)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var all []string
	for {
		e, err := s.Next()
		if err != nil {
			return all, err
		}
		all = append(all, e.Data)
	}
}

func TestContentIsReadForWhatItIs(t *testing.T) {
	server, client := loopback(t, nil)
	for _, tt := range []struct {
		name, path  string
		sse         bool
		n           int
		first, last string
	}{
		{"an event stream by its content type", "/plain?n=3", false, 3, "event 1", "event 3"},
		{"lines otherwise", "/lines?n=3", false, 3, `{"n":1}`, `{"n":3}`},
		{"lines forced to be an event stream have no events", "/lines?n=3", true, 0, "", ""},
		{"gzip", "/plain?n=300&encoding=gzip&trickle=700", false, 300, "event 1", "event 300"},
		{"zstd", "/plain?n=300&encoding=zstd&trickle=700", false, 300, "event 1", "event 300"},
		{"br", "/plain?n=300&encoding=br&trickle=700", false, 300, "event 1", "event 300"},
		{"lines in zstd", "/lines?n=300&encoding=zstd", false, 300, `{"n":1}`, `{"n":300}`},
		{"one byte at a time", "/v1/chat/completions?trickle=1", false, 21, "", "[DONE]"},
		{"an event of 1 MiB", "/plain?n=1&big=1048576", false, 2, strings.Repeat("x", 1<<20), "event 1"},
		{"an event of 1 MiB in gzip", "/plain?n=1&big=1048576&encoding=gzip", false, 2, strings.Repeat("x", 1<<20), "event 1"},
	} {
		got, err := read(t, client, source.Request{URL: server.URL + tt.path, SSE: tt.sse})
		if err != io.EOF || len(got) != tt.n {
			t.Errorf("%s: %d events and %v, want %d and EOF", tt.name, len(got), err, tt.n)
			continue
		}
		if tt.n > 0 && (tt.first != "" && got[0] != tt.first || got[tt.n-1] != tt.last) {
			t.Errorf("%s: from %.40q to %.40q", tt.name, got[0], got[tt.n-1])
		}
	}
}

func TestAnEventIsThereOnceItIsFlushed(t *testing.T) {
	for _, encoding := range []string{"", "gzip", "zstd", "br"} {
		body := sourcetest.Stream(sourcetest.Plain(1))
		server, client := loopback(t, sourcetest.Always(sourcetest.Reply{Body: body, Stall: new(len(body)), Encoding: encoding}))
		s, err := client.Connect(t.Context(), source.Request{URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		if e, err := s.Next(); err != nil || e.Data != "event 1" || e.ID != "1" || e.Subject != server.URL || e.Time.IsZero() {
			t.Errorf("%q: %+v, %v", encoding, e, err)
		}
		s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := server.Wait(ctx, func(c sourcetest.Counts) bool { return c.Aborts == 1 }); err != nil {
			t.Errorf("%q: the remote did not see that the stream was closed", encoding)
		}
	}
}

func TestWhatBreaksAStream(t *testing.T) {
	server, client := loopback(t, nil)
	for _, tt := range []struct {
		name, path string
		events     int
		want       error
	}{
		{"a cut", "/plain?cut=100", 2, io.ErrUnexpectedEOF},
		{"a cut inside of a character", "/v2/stream/recentchange?cut=rune", 3, io.ErrUnexpectedEOF},
		{"a cut in gzip", "/plain?cut=100&encoding=gzip", 2, io.ErrUnexpectedEOF},
		{"an event over the limit", "/plain?big=1048577", 0, abi.TooBig},
		{"a line that never ends", "/plain?endless", 50, abi.TooBig},
		{"lines that never end", "/lines?n=2&endless", 2, abi.TooBig},
		{"a bomb of gzip", "/plain?endless&encoding=gzip", 50, abi.TooBig},
		{"a bomb of zstd", "/lines?n=3&endless&encoding=zstd", 3, abi.TooBig},
		{"a bomb of br", "/plain?endless&encoding=br", 50, abi.TooBig},
		{"a cut in br", "/plain?cut=40&encoding=br", 0, io.ErrUnexpectedEOF},
		{"an encoding that was not asked for", "/plain?encoding=compress", 0, nil},
	} {
		got, err := read(t, client, source.Request{URL: server.URL + tt.path})
		if err == nil || err == io.EOF || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
		if len(got) != tt.events {
			t.Errorf("%s: %d events, want %d", tt.name, len(got), tt.events)
		}
	}
}

func TestStatusError(t *testing.T) {
	long := strings.Repeat("é", 2000) + "s3cret-value"
	server, client := loopback(t, sourcetest.Always(sourcetest.Reply{
		Status: 401, Encoding: "gzip", Header: map[string]string{"Retry-After": "7"}, Body: []byte("s3cret-value is no key. " + long),
	}))
	_, err := read(t, client, source.Request{URL: server.URL, Headers: map[string]string{"X-Key": "{{secret.key}}"}})
	var status *source.StatusError
	if !errors.As(err, &status) {
		t.Fatal(err)
	}
	if status.Status != 401 || status.RetryAfter != 7*time.Second || len(status.Body) < 2000 || len(status.Body) > 2<<10 {
		t.Errorf("status %d, wait %v, %d bytes of body", status.Status, status.RetryAfter, len(status.Body))
	}
	if strings.Contains(err.Error(), "s3cret") || !strings.HasPrefix(status.Body, "{{secret.key}} is no key.") {
		t.Errorf("the body shows a secret: %.60q", status.Body)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, value string
		want        time.Duration
	}{
		{"seconds", "120", 2 * time.Minute},
		{"a date", now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{"a date that is past", now.Add(-time.Hour).Format(http.TimeFormat), 0},
		{"nothing", "", 0},
		{"nonsense", "soon", 0},
		{"a negative number", "-5", 0},
		{"more than a day", "99999999999999999999999", 24 * time.Hour},
	} {
		if got := source.RetryAfter(tt.value, now); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestRequest(t *testing.T) {
	server, client := loopback(t, nil)
	_, err := read(t, client, source.Request{
		URL: server.URL + "/plain?n=1", Method: "POST", Body: []byte(`{"a":1}`), ContentType: "application/json", SSE: true,
		LastEventID: "élan 7", Headers: map[string]string{"authorization": "Bearer {{secret.key}}", "X-Two": "{{secret.key}}/{{secret.key}}"},
	})
	if err != io.EOF {
		t.Fatal(err)
	}
	r := server.Requests()[0]
	for name, want := range map[string]string{
		"Authorization": "Bearer s3cret-value", "X-Two": "s3cret-value/s3cret-value", "Last-Event-Id": "élan 7",
		"Accept": "text/event-stream", "Content-Type": "application/json", "Accept-Encoding": "gzip, zstd, br", "Cache-Control": "no-cache",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r.Method != "POST" || r.Body != `{"a":1}` {
		t.Errorf("%s with body %q", r.Method, r.Body)
	}
}

func TestConnectErrorsSayNoQueryAndWhetherTheRequestWasSent(t *testing.T) {
	gone := sourcetest.NewServer(sourcetest.New(nil))
	gone.Close()
	_, client := loopback(t, nil)
	_, err := read(t, client, source.Request{URL: gone.URL + "/x?token=hidden"})
	var request *source.RequestError
	if !errors.As(err, &request) || request.Sent || strings.Contains(err.Error(), "hidden") {
		t.Errorf("refused connection: %v", err)
	}
	_, err = read(t, client, source.Request{URL: gone.URL, Headers: map[string]string{"X": "{{secret.other}}"}})
	if !errors.Is(err, source.ErrNoSecret) {
		t.Errorf("unknown secret: %v", err)
	}
	_, err = read(t, client, source.Request{URL: "ftp://x/", Method: "TRACE"})
	var field *source.FieldError
	if !errors.As(err, &field) || !strings.Contains(err.Error(), "method") || !strings.Contains(err.Error(), "url") {
		t.Errorf("bad request: %v", err)
	}
}

func TestErrorsDoNotTellTheResolver(t *testing.T) {
	c := source.NewClient(source.ClientConfig{})
	defer c.Close()
	_, err := c.Connect(t.Context(), source.Request{URL: "http://nowhere.invalid/"})
	var lookup *net.DNSError
	if !errors.As(err, &lookup) {
		t.Fatalf("Connect returned %v, want a lookup that failed", err)
	}
	if lookup.Server != "" || strings.Contains(err.Error(), " on ") {
		t.Errorf("the error tells the resolver: %v", err)
	}
}
