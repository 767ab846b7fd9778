package bench

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestViewersOverTLS reads with a goroutine each, as systems without epoll do.
func TestViewersOverTLS(t *testing.T) {
	ms := newMarks()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(append(ms.count(0, 0).append([]byte("data: "), 0, minPayload), "\n\n"...))
		w.(http.Flusher).Flush()
		if strings.HasSuffix(r.URL.Path, "/stay") {
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	for _, path := range []string{"/stay", "/end"} {
		to, err := newTarget(Request{URL: server.URL + path, Method: "GET"}, false)
		if err != nil {
			t.Fatal(err)
		}
		to.tls = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "example.com", NextProtos: to.tls.NextProtos}
		to.tls.RootCAs.AddCert(server.Certificate())
		heads := make(chan error, 3)
		job := &crew{tally: newTally(), marks: ms, now: func() int64 { return time.Now().UnixNano() }, heads: heads}
		r, err := newReader(to, job)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := r.open(&viewer{from: make([]sequence, 1)}, to.streamHead("")); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			if err := <-heads; err != nil {
				t.Error(err)
			}
		}
		deadline := time.Now().Add(time.Minute)
		for job.delivered.Load() < 3 && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if path == "/end" {
			r.(*connReader).wg.Wait()
		}
		r.close()
		if cut := map[string]int64{"/stay": 0, "/end": 3}[path]; job.delivered.Load() != 3 || job.cut != cut {
			t.Errorf("%s: %d deliveries and %d cut, want 3 and %d", path, job.delivered.Load(), job.cut, cut)
		}
	}
}
