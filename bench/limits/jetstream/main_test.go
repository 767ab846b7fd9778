package main

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/millrace/millrace/bench"
)

func TestTheLimitStoresAll(t *testing.T) {
	h, stop, err := open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	server := httptest.NewServer(h)
	defer server.Close()
	r, err := bench.Run(t.Context(), bench.Config{
		Mode: bench.Publish, Publish: bench.Request{URL: server.URL, Body: "{payload}"},
		Publishers: 4, Duration: 200 * time.Millisecond,
	})
	if err != nil || r.Published == 0 || r.PublishErrors != 0 {
		t.Errorf("%v, %+v", err, r)
	}
}
