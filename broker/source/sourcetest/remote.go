// Package sourcetest is a stand-in for remote streams, in the manner of net/http/httptest.
//
// A Remote is an http.Handler that speaks plain Server-Sent Events, the shapes of OpenAI's chat and
// responses, Anthropic's messages and Wikimedia's recent changes, or lines of JSON. On command it
// misbehaves as real remotes do: it cuts, stalls, trickles, refuses, redirects. It counts what its
// clients do. A Server puts it on loopback, a Pipe into memory, for tests with a clock of their own.
//
// The package owns its listener and its counts. It knows nothing of the client it is used with.
package sourcetest

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
)

const (
	maxRequests = 1000    // that are remembered
	maxBody     = 1 << 20 // of a request
)

// Request is what a client sent.
type Request struct {
	Method      string
	URL         string
	Header      http.Header
	Body        string
	LastEventID string
}

// Remote answers requests by its script and counts them. It is safe for concurrent use.
type Remote struct {
	script func(n int, r Request) Reply

	mu       sync.Mutex
	requests []Request
	counts   Counts
	changed  chan struct{} // closed when counts change
}

// Counts is what a Remote has seen.
type Counts struct {
	Connections int // requests so far
	Open        int // replies that are under way
	Aborts      int // replies that a client left before their end
}

// New returns a remote that answers the n-th request, from 0, with what script returns for it. A nil
// script is ByURL.
func New(script func(n int, r Request) Reply) *Remote {
	if script == nil {
		script = func(_ int, r Request) Reply { return ByURL(r) }
	}
	return &Remote{script: script, changed: make(chan struct{})}
}

// Always is a script that gives each request the same reply.
func Always(reply Reply) func(int, Request) Reply {
	return func(int, Request) Reply { return reply }
}

// Then is a script that gives each request the next of replies, and those after them the last.
func Then(replies ...Reply) func(int, Request) Reply {
	return func(n int, _ Request) Reply { return replies[min(n, len(replies)-1)] }
}

// Counts returns what the remote has seen so far.
func (m *Remote) Counts() Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts
}

// Wait waits until the counts are as done wants them. The error is the context's.
func (m *Remote) Wait(ctx context.Context, done func(Counts) bool) error {
	for {
		m.mu.Lock()
		counts, changed := m.counts, m.changed
		m.mu.Unlock()
		if done(counts) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle waits until no reply is under way.
func (m *Remote) settle() {
	m.Wait(context.Background(), func(c Counts) bool { return c.Open == 0 }) // never ends with an error
}

// Requests returns what clients sent, oldest first: the first 1,000 requests.
func (m *Remote) Requests() []Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.requests)
}

// ServeHTTP answers one request.
func (m *Remote) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A body that breaks off is the client's leaving, which writing the reply notices.
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxBody))
	request := Request{
		Method: r.Method, URL: r.URL.String(), Header: r.Header.Clone(), Body: string(body),
		LastEventID: r.Header.Get("Last-Event-ID"),
	}
	n := m.began(request)
	aborted := true
	defer func() { m.ended(aborted) }()
	cut, err := m.script(n, request).write(r.Context(), w)
	aborted = err != nil
	if cut && !aborted {
		panic(http.ErrAbortHandler) // net/http then breaks the connection off
	}
}

func (m *Remote) began(r Request) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.requests) < maxRequests {
		m.requests = append(m.requests, r)
	}
	m.counts.Connections++
	m.counts.Open++
	m.tell()
	return m.counts.Connections - 1
}

func (m *Remote) ended(aborted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.Open--
	if aborted {
		m.counts.Aborts++
	}
	m.tell()
}

// tell wakes those who wait for the counts. The caller holds the mutex.
func (m *Remote) tell() {
	close(m.changed)
	m.changed = make(chan struct{})
}
