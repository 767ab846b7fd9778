package source_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/millrace/millrace/broker/source"
)

// breaking is a remote that answers what it gets first. What it gets then on the same connection it
// takes, and breaks the connection off without an answer.
type breaking struct {
	mu   sync.Mutex
	from []string // addresses of requests
	keys []string // their Idempotency-Key
}

func (b *breaking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	b.mu.Lock()
	b.from = append(b.from, r.RemoteAddr)
	b.keys = append(b.keys, r.Header.Get("Idempotency-Key")+r.Header.Get("X-Idempotency-Key"))
	n := len(b.from)
	b.mu.Unlock()
	if n == 2 {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(w, "data: x\n\n")
}

func TestAPostIsNotRepeatedOnAConnectionThatBreaks(t *testing.T) {
	for _, tt := range []struct {
		name    string
		request source.Request
		want    int // requests of two
	}{
		{"a POST", source.Request{Method: "POST", Body: []byte("x")}, 2},
		{"with a key that says that it may be", source.Request{Method: "POST", Body: []byte("x"), Headers: map[string]string{"Idempotency-Key": "k"}}, 2},
		{"with another spelling", source.Request{Method: "POST", Body: []byte("x"), Headers: map[string]string{"x-idempotency-key": "k"}}, 2},
		{"without a body", source.Request{Method: "POST", Headers: map[string]string{"Idempotency-Key": "k"}}, 2},
		{"a PUT", source.Request{Method: "PUT", Body: []byte("x"), Headers: map[string]string{"X-Idempotency-Key": "k"}}, 2},
		{"but a GET may be", source.Request{}, 3},
	} {
		remote := &breaking{}
		server := httptest.NewServer(remote)
		client := source.NewClient(source.ClientConfig{AllowPrivate: true})
		tt.request.URL, tt.request.SSE = server.URL, true
		for range 2 {
			_, _ = read(t, client, tt.request) // how often the remote was asked is what counts
		}
		client.Close()
		server.Close()
		if len(remote.from) != tt.want || remote.from[0] != remote.from[1] {
			t.Errorf("%s: requests came from %q, want %d", tt.name, remote.from, tt.want)
		}
		if tt.request.Headers != nil && slices.Contains(remote.keys, "") {
			t.Errorf("%s: keys %q", tt.name, remote.keys)
		}
	}
}

func TestAPostFollowsARedirectWithAllOfIt(t *testing.T) {
	for _, status := range []int{http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		var got []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/there" {
				http.Redirect(w, r, "/there", status)
				return
			}
			body, _ := io.ReadAll(r.Body)
			got = append(got, r.Method, string(body), r.Header.Get("Idempotency-Key"))
		}))
		client := source.NewClient(source.ClientConfig{AllowPrivate: true})
		_, err := read(t, client, source.Request{
			URL: server.URL, Method: "POST", Body: []byte("x"), SSE: true, Headers: map[string]string{"Idempotency-Key": "k"},
		})
		client.Close()
		server.Close()
		if err != io.EOF || !slices.Equal(got, []string{"POST", "x", "k"}) {
			t.Errorf("%d: got %q, %v", status, got, err)
		}
	}
}
