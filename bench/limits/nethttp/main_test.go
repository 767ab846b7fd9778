package main

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/millrace/millrace/bench"
)

func TestTheLimitDeliversAll(t *testing.T) {
	server := httptest.NewServer(handler())
	defer server.Close()
	for _, mode := range []bench.Mode{bench.Saturate, bench.Replay} {
		r, err := bench.Run(t.Context(), bench.Config{
			Mode: mode, Stream: bench.Request{URL: server.URL}, Publish: bench.Request{URL: server.URL, Body: "{payload}"},
			Viewers: 10, Events: 100, Duration: 200 * time.Millisecond, Settle: time.Millisecond,
		})
		if err != nil || r.Published == 0 || r.Delivered != 10*r.Published || r.Repeated+r.OutOfOrder != 0 {
			t.Errorf("%s: %v, %+v", mode, err, r)
		}
	}
}
