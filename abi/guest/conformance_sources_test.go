package guest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

func testSourceCases(t *testing.T, p *host.Plugin) {
	const fetched = "INFO response status=200 attempts=2 last=7"
	open := abi.Response{URL: "https://remote.example/", Status: 200, Attempts: 2, LastEventID: "7"}
	long := strings.Repeat("x", 50_000)
	for _, tt := range []struct {
		name, callback string
		event          *abi.Event
		response       abi.Response
		want           host.Outcome
		log            []string
		code           abi.Status
	}{
		{name: "a request starts", callback: abi.OnRequestStart, response: open,
			log: []string{`INFO start send="not possible here or now"`, fetched}},
		{name: "a chunk", callback: abi.OnChunk, event: &abi.Event{Data: "x", Name: "n", Subject: open.URL}, response: open,
			want: host.Outcome{Outputs: []abi.Event{{Data: "x of " + open.URL, Name: "n"}}}, log: []string{fetched}},
		{name: "a long chunk", callback: abi.OnChunk, event: &abi.Event{Data: long}, response: open,
			want: host.Outcome{Outputs: []abi.Event{{Data: long + " of "}}}, log: []string{fetched}},
		{name: "a chunk that is an error", callback: abi.OnChunk, event: &abi.Event{Data: "error"}, response: open,
			log: []string{"ERROR wrapped: not granted"}, code: abi.Denied},
		{name: "the end", callback: abi.OnComplete, response: open,
			want: host.Outcome{Outputs: []abi.Event{{Data: "complete"}}}, log: []string{fetched}},
		{name: "a status", callback: abi.OnError, response: abi.Response{Status: 429, Error: "too many"},
			want: host.Outcome{Outputs: []abi.Event{{Data: "too many"}}, Result: 429}},
		{name: "no status", callback: abi.OnError, response: abi.Response{Error: "no route"}, want: host.Outcome{Result: abi.RetryStop}},
		{name: "onEvent on a source", callback: abi.OnEvent, event: &abi.Event{Data: "before"}, response: open,
			want: host.Outcome{Pass: true, Outputs: []abi.Event{{Data: "before"}}}},
	} {
		r := &recorder{}
		session := r.session()
		session.Response = &tt.response
		got, err := p.Source(t.Context(), session, tt.callback, tt.event)
		var failed *host.CallbackError
		if errors.As(err, &failed) != (tt.code != abi.OK) || failed != nil && failed.Code != int32(tt.code) || failed == nil && err != nil {
			t.Errorf("%s: ended with %v, want code %d", tt.name, err, tt.code)
		}
		if got.Pass != tt.want.Pass || got.Result != tt.want.Result || !slices.Equal(got.Outputs, tt.want.Outputs) {
			t.Errorf("%s: %.300v, want %.300v", tt.name, got, tt.want)
		}
		if !slices.Equal(r.others, tt.log) {
			t.Errorf("%s: log %q, want %q", tt.name, r.others, tt.log)
		}
	}
	var trap *host.TrapError
	if _, err := p.Source(t.Context(), (&recorder{}).session(), abi.OnChunk, &abi.Event{Data: "panic"}); !errors.As(err, &trap) {
		t.Errorf("a panic ended with %v, want a trap", err)
	}
}
