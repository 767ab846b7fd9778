package main

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestPushes(t *testing.T) {
	for _, tt := range []struct {
		name, data, notice, build string
	}{
		{"to the main branch", `{"ref":"refs/heads/main","after":"4f1e","repository":{"full_name":"acme/mill"},"pusher":{"name":"ada"},"commits":[{"id":"3c"},{"id":"4f1e"}]}`,
			`{"repository":"acme/mill","branch":"main","pusher":"ada","commits":2}`, `{"repository":"acme/mill","commit":"4f1e"}`},
		{"to another", `{"ref":"refs/heads/fix/weir","after":"9a","repository":{"full_name":"acme/mill"},"pusher":{"name":"bob"},"commits":[]}`,
			`{"repository":"acme/mill","branch":"fix/weir","pusher":"bob","commits":0}`, ""},
	} {
		got := new(guesttest.Host).Event(t, onChunk, abi.Event{Name: "push", Data: tt.data})
		var builds []abi.Event
		if tt.build != "" {
			builds = []abi.Event{{Subject: "builds", Name: "build", Data: tt.build}}
		}
		if want := []abi.Event{{Name: "push", Data: tt.notice}}; !slices.Equal(got.Sent, want) || got.Code != 0 {
			t.Errorf("%s: sent %v with code %d, want %v", tt.name, got.Sent, got.Code, want)
		}
		if !slices.Equal(got.Published, builds) {
			t.Errorf("%s: published %v, want %v", tt.name, got.Published, builds)
		}
	}
}

func TestWhatIsNoPush(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event abi.Event
		code  abi.Status
	}{
		{"other events are left out", abi.Event{Name: "watch", Data: `{"action":"started"}`}, abi.OK},
		{"a push that cannot be read is an error", abi.Event{Name: "push", Data: "[]"}, abi.Invalid},
	} {
		got := new(guesttest.Host).Event(t, onChunk, tt.event)
		if got.Code != int32(tt.code) || len(got.Sent)+len(got.Published) > 0 {
			t.Errorf("%s: got %+v", tt.name, got)
		}
	}
}

func TestTheStatusDecides(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    abi.Response
		want guest.Retry
	}{
		{"too many requests", abi.Response{Status: 429}, guest.After(time.Minute)},
		{"a remote that says how long waits that long", abi.Response{Status: 429, Headers: map[string]string{"Retry-After": "7"}}, guest.Decide},
		{"a quota that is used up", abi.Response{Status: 403, Headers: map[string]string{"X-Ratelimit-Remaining": "0"}}, guest.After(time.Minute)},
		{"a token that is refused", abi.Response{Status: 401}, guest.Stop},
		{"or may not", abi.Response{Status: 403}, guest.Stop},
		{"an error of the server", abi.Response{Status: 502}, guest.Decide},
		{"no response", abi.Response{Error: "connection refused"}, guest.Decide},
	} {
		got := (&guesttest.Host{Response: &tt.r}).End(t, onError)
		if got.Code != int32(tt.want) || len(got.Log) != 1 {
			t.Errorf("%s: code %d, want %d; log %v", tt.name, got.Code, tt.want, got.Log)
		}
	}
}

func TestConnectionsAreLogged(t *testing.T) {
	got := (&guesttest.Host{Response: &abi.Response{Attempts: 3, LastEventID: "41"}}).RequestStart(t, onRequestStart)
	want := []guesttest.Line{{Level: abi.LogInfo, Text: "connecting attempt=3 behind=41"}}
	if got.Code != 0 || !slices.Equal(got.Log, want) {
		t.Errorf("code %d, log %v, want %v", got.Code, got.Log, want)
	}
}
