//go:build linux

package hostile

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// remote is a server of the attacker's, which plugins open and sources read. It counts the requests
// that are under way.
type remote struct {
	url  string
	open atomic.Int64
}

func startRemote(t *testing.T) *remote {
	t.Helper()
	r := &remote{}
	mux := http.NewServeMux()
	for path, answer := range map[string]http.HandlerFunc{
		"/some":      someEvents,
		"/endless":   endlessly("data: x\n\n"),
		"/megabytes": endlessly("data: " + strings.Repeat("m", 1<<20-16) + "\n\n"),
		"/line":      endlessly(strings.Repeat("l", 64<<10)),
		"/fields":    endlessly(strings.Repeat("data: f\n", 8<<10)),
		"/comments":  endlessly(strings.Repeat(":c\n", 16<<10)),
		"/zeros":     zeros,
		"/quiet":     func(w http.ResponseWriter, r *http.Request) { begin(w); <-r.Context().Done() },
		"/silent":    func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"/headers":   largeHeaders,
		"/round":     func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) },
		"/metadata": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		},
		"/file": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		},
		"/error": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			writeForEver(w, strings.Repeat("e", 64<<10))
		},
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, req *http.Request) {
			r.open.Add(1)
			defer r.open.Add(-1)
			answer(w, req)
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	r.url = server.URL
	return r
}

// left returns an error while clients are there.
func (r *remote) left() error {
	if n := r.open.Load(); n != 0 {
		return fmt.Errorf("%d requests to the remote are still open", n)
	}
	return nil
}

func begin(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	_ = http.NewResponseController(w).Flush() // an error shows at the next write
}

// someOf is how many events a source gets before its stream is complete.
const someOf = 20

func someEvents(w http.ResponseWriter, _ *http.Request) {
	begin(w)
	for i := range someOf {
		fmt.Fprintf(w, "id: %d\ndata: remote %d\n\n", i+1, i)
	}
	io.WriteString(w, "data: [DONE]\n\n")
}

func endlessly(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		begin(w)
		writeForEver(w, text)
	}
}

// writeForEver writes until the client leaves.
func writeForEver(w io.Writer, text string) {
	for {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
	}
}

// zeros are gigabytes in as many kilobytes.
func zeros(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	begin(w)
	writeForEver(gzip.NewWriter(w), strings.Repeat("0", 1<<20))
}

func largeHeaders(w http.ResponseWriter, _ *http.Request) {
	for i := range 64 {
		w.Header().Set(fmt.Sprintf("X-Large-%d", i), strings.Repeat("h", 256<<10))
	}
	begin(w)
}
