//go:build linux

package main

import (
	"net"
	"testing"
	"time"

	"github.com/millrace/millrace/bench"
)

func TestTheLimitDeliversAll(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := newServer(free.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	go s.run() // as long as the process: it has no end
	for _, mode := range []bench.Mode{bench.Saturate, bench.Replay} {
		r, err := bench.Run(t.Context(), bench.Config{
			Mode: mode, Stream: bench.Request{URL: url}, Publish: bench.Request{URL: url, Body: "{payload}"},
			Viewers: 10, Events: 100, Duration: 200 * time.Millisecond, Settle: time.Millisecond,
		})
		if err != nil || r.Published == 0 || r.Delivered != 10*r.Published || r.Repeated+r.OutOfOrder != 0 {
			t.Errorf("%s: %v, %+v", mode, err, r)
		}
	}
}
