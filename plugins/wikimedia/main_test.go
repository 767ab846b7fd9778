package main

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

func TestChangesAreShaped(t *testing.T) {
	for _, tt := range []struct {
		name, data, want string
	}{
		{"with an address", `{"meta":{"domain":"de.wikipedia.org","uri":"https://de.wikipedia.org/wiki/M%C3%BChle"},"type":"new","title":"Mühle","user":"Ada","wiki":"dewiki","bot":false}`,
			`{"title":"Mühle","user":"Ada","wiki":"dewiki","type":"new","url":"https://de.wikipedia.org/wiki/M%C3%BChle"}`},
		{"without one it is made", `{"meta":{"domain":"en.wikipedia.org"},"type":"edit","title":"Mill race?","user":"Bob","wiki":"enwiki"}`,
			`{"title":"Mill race?","user":"Bob","wiki":"enwiki","type":"edit","url":"https://en.wikipedia.org/wiki/Mill%20race%3F"}`},
		{"a canary is no change", `{"meta":{"domain":"canary"},"type":"edit","title":"x"}`, ""},
	} {
		got := new(guesttest.Host).Event(t, onEvent, abi.Event{Data: tt.data, Name: "message"})
		var want []abi.Event
		if tt.want != "" {
			want = []abi.Event{{Name: "wiki", Data: tt.want}}
		}
		if !slices.Equal(got.Sent, want) || got.Code != abi.EventDrop {
			t.Errorf("%s: sent %v with code %d, want %v in its place", tt.name, got.Sent, got.Code, want)
		}
	}
}

func TestTheSampleFeedIsShaped(t *testing.T) {
	for _, e := range sourcetest.Wikimedia(6) {
		if got := new(guesttest.Host).Event(t, onEvent, e); len(got.Sent) != 1 || got.Code != abi.EventDrop {
			t.Errorf("%s: sent %v with code %d", e.Data, got.Sent, got.Code)
		}
	}
}

func TestWhatIsNoChangeIsAnError(t *testing.T) {
	if got := new(guesttest.Host).Event(t, onEvent, abi.Event{Data: "<html>"}); got.Code != int32(abi.Invalid) || len(got.Sent) > 0 {
		t.Errorf("sent %v with code %d, want an error", got.Sent, got.Code)
	}
}
