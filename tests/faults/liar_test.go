package faults

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/faults/checker"
	"github.com/millrace/millrace/tests/faults/workload"
	"github.com/millrace/millrace/tests/program"
)

// TestALiarIsFoundOut puts something between the node and its users that does, once in a while, what
// must not happen. That the other tests find nothing says as much as that this one finds it.
func TestALiarIsFoundOut(t *testing.T) {
	beside(t)
	s := program.Start(t)
	for _, tt := range []struct {
		name string
		lie  lie
		want checker.Kind
	}{
		{"an event is left out", lie{block: func(_, _ []byte) []byte { return nil }}, checker.Lost},
		{"an event comes twice", lie{block: func(_, b []byte) []byte { return bytes.Repeat(b, 2) }}, checker.Doubled},
		{"an event comes again, after the next", lie{block: func(last, b []byte) []byte { return append(bytes.Clone(b), last...) }}, checker.Doubled},
		{"an event has another's id", lie{block: func(last, b []byte) []byte { return withIDOf(last, b) }}, checker.Changed},
		{"an acknowledgement is made up", lie{acknowledge: true}, checker.Lost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			liar := httptest.NewServer(tt.lie.between(t, s.URL))
			defer liar.Close()
			s.Put("/v1/tenants/faults", nil)
			s.Must(http.MethodDelete, "/v1/tenants/faults", nil)
			c := workload.Config{
				URLs: []string{liar.URL}, Token: s.Token, Publishers: 3, Viewers: 5,
				Pause: 5 * time.Millisecond, Patience: 10 * time.Second,
			}
			result, err := workload.Run(t.Context(), c, func(ctx context.Context) error {
				return every(ctx, rand.New(rand.NewPCG(1, 0)), time.Second, time.Second, func() {}) // without faults
			})
			if err != nil {
				t.Fatal(err)
			}
			report := checker.Check(result.History)
			if report.Count(tt.want) == 0 {
				t.Errorf("nothing is found %s: %s", tt.want, &report)
			} else {
				t.Logf("found: %s", report.Anomalies[0])
			}
		})
	}
}

// lie is what is done to every fiftieth event or publication.
type lie struct {
	block       func(last, block []byte) []byte // of a viewer's stream, the event's and the one before
	acknowledge bool                            // publications, without publishing
}

const lieEvery = 50

// between is a proxy in front of a server that lies.
func (l lie) between(t *testing.T, to string) http.Handler {
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(resp *http.Response) error {
		if l.block != nil && strings.HasPrefix(resp.Request.URL.Path, "/t/") && resp.StatusCode == http.StatusOK {
			resp.Body = l.spoil(resp.Body)
		}
		return nil
	}
	var published atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.acknowledge && r.Method == http.MethodPost && !strings.HasSuffix(r.URL.Path, "/end") && published.Add(1)%lieEvery == 0 {
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"id": "made-%d"}`, published.Load())
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// spoil passes a stream on block by block. The last event of all is spared, since viewers wait for it.
func (l lie) spoil(body io.ReadCloser) io.ReadCloser {
	out, in := io.Pipe()
	go func() {
		defer body.Close()
		blocks := bufio.NewScanner(body)
		blocks.Split(splitBlocks)
		var last []byte
		for events := 0; blocks.Scan(); {
			block := bytes.Clone(blocks.Bytes())
			if isEvent := bytes.Contains(block, []byte("data:")); isEvent {
				events++
				if events%lieEvery == 0 && !bytes.Contains(block, []byte(`"end"`)) {
					last, block = block, l.block(last, block)
				} else {
					last = block
				}
			}
			if _, err := in.Write(block); err != nil {
				return // the viewer left
			}
		}
		in.CloseWithError(blocks.Err())
	}()
	return out
}

// splitBlocks cuts behind blank lines.
func splitBlocks(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.Index(data, []byte("\n\n")); i >= 0 {
		return i + 2, data[:i+2], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// withIDOf is an event under the id of another.
func withIDOf(other, event []byte) []byte {
	id, _, _ := bytes.Cut(other[bytes.Index(other, []byte("id:")):], []byte("\n"))
	at := bytes.Index(event, []byte("id:"))
	_, rest, _ := bytes.Cut(event[at:], []byte("\n"))
	return bytes.Join([][]byte{event[:at], id, []byte("\n"), rest}, nil)
}
