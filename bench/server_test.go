package bench_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/bench"
)

// server is a small event server that can be told to do badly.
type server struct {
	URL string

	mu      sync.Mutex
	events  []string
	changed chan struct{}

	viewers int // requests so far
	refuse  int // of every so many viewers, one
	sends   func(viewer, event int) (times int)
	order   func(batch []int) // changes what is sent at once
	cut     int               // bytes after which the first viewer is cut
}

// newServer starts a server that does as badly as badly makes it.
func newServer(t *testing.T, badly ...func(s *server)) *server {
	s := &server{changed: make(chan struct{}), sends: func(int, int) int { return 1 }, order: func([]int) {}}
	for _, make := range badly {
		make(s)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /events", s.publish)
	mux.HandleFunc("GET /stream", s.stream)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "# HELP x\nprocess_cpu_seconds_total 1.5\nprocess_resident_memory_bytes 2e+06\n")
	})
	h := httptest.NewServer(mux)
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// config is a short run against the server.
func (s *server) config(mode bench.Mode) bench.Config {
	return bench.Config{
		Mode: mode, Stream: bench.Request{URL: s.URL + "/stream"},
		Publish: bench.Request{URL: s.URL + "/events", Body: "<{payload}>"},
		Viewers: 20, Publishers: 2, Rate: 200, Events: 30, Duration: 200 * time.Millisecond, Settle: time.Millisecond,
	}
}

// asked is how many viewers came and how many events.
func (s *server) asked() (viewers, events int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.viewers, len(s.events)
}

func (s *server) publish(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, string(body))
	close(s.changed)
	s.changed = make(chan struct{})
	w.WriteHeader(http.StatusCreated)
}

func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	viewer, at := s.viewers, len(s.events)
	s.viewers++
	s.mu.Unlock()
	if s.refuse > 0 && viewer%s.refuse == 0 {
		http.Error(w, "too many", http.StatusTooManyRequests)
		return
	}
	if id, err := strconv.Atoi(r.Header.Get("Last-Event-ID")); err == nil {
		at = id
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for flush := http.NewResponseController(w); ; {
		if flush.Flush() != nil {
			return
		}
		s.mu.Lock()
		events, changed := s.events, s.changed
		s.mu.Unlock()
		var batch []int
		for ; at < len(events); at++ {
			for range s.sends(viewer, at) {
				batch = append(batch, at)
			}
		}
		s.order(batch)
		sent := 0
		for _, i := range batch {
			n, _ := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", i+1, events[i])
			if sent += n; s.cut > 0 && viewer == 0 && sent > s.cut {
				_ = flush.Flush()
				panic(http.ErrAbortHandler)
			}
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}
