package main

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

var all = []abi.Event{
	{Data: `{"task":"Initialize","progress":20,"step":1,"total":5}`, Name: "progress"},
	{Data: `{"task":"Load Data","progress":40,"step":2,"total":5}`, Name: "progress"},
	{Data: `{"task":"Process","progress":60,"step":3,"total":5}`, Name: "progress"},
	{Data: `{"task":"Validate","progress":80,"step":4,"total":5}`, Name: "progress"},
	{Data: `{"task":"Complete","progress":100,"step":5,"total":5}`, Name: "progress"},
	{Data: `{"complete":true}`, Name: "done"},
}

func TestProgress(t *testing.T) {
	for _, tt := range []struct {
		name   string
		query  map[string][]string
		leave  time.Duration
		want   []abi.Event
		took   time.Duration
		closed bool
		code   abi.Status
	}{
		{"all tasks, then the end", nil, 0, all, 1500 * time.Millisecond, true, abi.OK},
		{"the query says how long one takes", map[string][]string{"delay": {"20"}}, 0, all, 100 * time.Millisecond, true, abi.OK},
		{"a viewer who leaves ends it", nil, time.Second, all[:4], time.Second, false, abi.OK},
		{"a delay that is no number", map[string][]string{"delay": {"1s"}}, 0, nil, 0, false, abi.Invalid},
	} {
		h := &guesttest.Host{Request: abi.Request{Query: tt.query}, Leave: tt.leave}
		got := h.Stream(t, onStream)
		if !slices.Equal(got.Sent, tt.want) || got.Took != tt.took || got.Closed != tt.closed || got.Code != int32(tt.code) {
			t.Errorf("%s: got %+v", tt.name, got)
		}
	}
}
