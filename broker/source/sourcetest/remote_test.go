package sourcetest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/broker/source/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// get returns a reply of the remote and what of its body arrives.
func get(t *testing.T, url string, header ...string) (*http.Response, []byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, body, err
}

func TestCommands(t *testing.T) {
	s := sourcetest.NewServer(sourcetest.New(nil))
	defer s.Close()
	for _, tt := range []struct {
		name, path  string
		header      []string
		status      int
		has, hasNot string
		broken      bool
	}{
		{"plain events", "/plain?n=2", nil, 200, "id: 2\nevent: tick\ndata: event 2\n\n", "event 3", false},
		{"resumed", "/plain?n=3&resume", []string{"Last-Event-ID", "2"}, 200, "event 3", "event 2", false},
		{"not resumed unless told to", "/plain?n=3", []string{"Last-Event-ID", "2"}, 200, "event 2", "event 4", false},
		{"lines", "/lines?n=2", nil, 200, "{\"n\":2}\n", "data:", false},
		{"chat", "/v1/chat/completions", nil, 200, "data: [DONE]\n\n", "event:", false},
		{"responses", "/v1/responses", nil, 200, "event: response.completed\n", "[DONE]", false},
		{"messages", "/v1/messages", nil, 200, "event: message_stop\n", "[DONE]", false},
		{"an error in the middle", "/v1/messages?error=4", nil, 200, "overloaded_error", "message_stop", false},
		{"recent changes", "/v2/stream/recentchange?n=2", nil, 200, "codfw.mediawiki.recentchange", "[DONE]", false},
		{"quotes", "/quotes?n=4", nil, 200, "id: 4\nevent: quote\ndata: {\"symbol\":\"AAPL\",\"price\":", "id: 5", false},
		{"monitoring", "/monitoring?n=7", nil, 200, "event: alert\n", "[DONE]", false},
		{"pushes", "/github?n=1", nil, 200, "\"ref\":\"refs/heads/main\"", "fix/weir", false},
		{"cut", "/plain?cut=30", nil, 200, "id: 1", "event 1\n\n", true},
		{"a trickle is the same", "/plain?n=2&trickle=3&pause=1", nil, 200, "event 2\n\n", "event 3", false},
		{"a refusal", "/plain?status=429&retryAfter=3", nil, 429, "refuse", "event 1", false},
		{"no content", "/plain?status=204", nil, 204, "", "e", false},
		{"a redirect", "/plain?redirect=/lines", nil, 307, "", "event", false},
		{"nothing", "/nothing", nil, 404, "no such stream", "data", false},
	} {
		response, body, err := get(t, s.URL+tt.path, tt.header...)
		if response.StatusCode != tt.status || (err != nil) != tt.broken {
			t.Errorf("%s: status %d, error %v", tt.name, response.StatusCode, err)
		}
		if !bytes.Contains(body, []byte(tt.has)) || bytes.Contains(body, []byte(tt.hasNot)) {
			t.Errorf("%s: body %q", tt.name, body)
		}
	}
}

func TestRetryDateIsADate(t *testing.T) {
	s := sourcetest.NewServer(sourcetest.New(nil))
	defer s.Close()
	response, _, _ := get(t, s.URL+"/plain?status=503&retryDate=60")
	if at, err := http.ParseTime(response.Header.Get("Retry-After")); err != nil || at.Before(time.Now()) {
		t.Errorf("Retry-After is %q", response.Header.Get("Retry-After"))
	}
}

func TestCutInRune(t *testing.T) {
	s := sourcetest.NewServer(sourcetest.New(nil))
	defer s.Close()
	_, body, _ := get(t, s.URL+"/v2/stream/recentchange?cut=rune")
	if utf8.Valid(body) || !utf8.Valid(body[:len(body)-1]) {
		t.Errorf("body ends in %q", body[max(0, len(body)-10):])
	}
}

func TestEncodings(t *testing.T) {
	s := sourcetest.NewServer(sourcetest.New(nil))
	defer s.Close()
	_, want, _ := get(t, s.URL+"/plain")
	for encoding, open := range map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"br":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
	} {
		response, body, err := get(t, s.URL+"/plain?trickle=50&encoding="+encoding)
		if err != nil || response.Header.Get("Content-Encoding") != encoding {
			t.Fatalf("%s: %v, %v", encoding, response.Header, err)
		}
		r, err := open(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d", encoding, len(got), err, len(want))
		}
	}
}

func TestRemoteCountsAndTheClientThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := []byte("data: x\n\n")
		p := sourcetest.NewPipe(sourcetest.New(sourcetest.Then(
			sourcetest.Reply{Body: body, Late: time.Hour}, sourcetest.Reply{Body: body, Stall: new(4)}, sourcetest.Reply{Endless: 'x'})))
		transport := &http.Transport{DialContext: p.Dial, DisableKeepAlives: true}
		ctx, leave := context.WithCancel(t.Context())
		for i, want := range []string{"data: x\n\n", "data", "xxxx"} {
			r, _ := http.NewRequestWithContext(ctx, "POST", "http://remote/", strings.NewReader("question"))
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(want))
			if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != want {
				t.Errorf("reply %d is %q, %v", i, got, err)
			}
		}
		if c := p.Counts(); c.Connections != 3 || c.Open != 2 || c.Aborts != 0 {
			t.Errorf("before: %+v", c)
		}
		leave()
		if err := p.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Open == 0 && c.Aborts == 2 }); err != nil {
			t.Error(err)
		}
		if r := p.Requests(); len(r) != 3 || r[2].Body != "question" || r[2].Method != "POST" {
			t.Errorf("requests are %+v", r)
		}
		p.Close()
	})
}
