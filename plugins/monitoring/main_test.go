package main

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestMetricsComeInWindows(t *testing.T) {
	defer clear(current)
	h := &guesttest.Host{}
	for _, tt := range []struct {
		name, data, want string
	}{
		{"the first", `{"name":"cpu","value":20,"timestamp":1000}`, ""},
		{"one more", `{"name":"cpu","value":40,"timestamp":9999}`, ""},
		{"another metric", `{"name":"disk","value":7,"timestamp":10000}`, ""},
		{"the next window", `{"name":"cpu","value":5,"timestamp":10000}`, `{"name":"cpu","from":0,"count":2,"min":20,"max":40,"mean":30}`},
		{"one that is late", `{"name":"cpu","value":15,"timestamp":9000}`, ""},
		{"a window without samples is none", `{"name":"cpu","value":0,"timestamp":31000}`, `{"name":"cpu","from":10000,"count":2,"min":5,"max":15,"mean":10}`},
	} {
		got := h.Event(t, onChunk, abi.Event{Name: "metric", Data: tt.data})
		var want []abi.Event
		if tt.want != "" {
			want = []abi.Event{{Name: "metric", Data: tt.want}}
		}
		if !slices.Equal(got.Sent, want) || got.Code != 0 || len(got.Published) > 0 {
			t.Errorf("%s: sent %v with code %d, want %v", tt.name, got.Sent, got.Code, want)
		}
	}
	got := h.End(t, onComplete)
	want := []abi.Event{
		{Name: "metric", Data: `{"name":"cpu","from":30000,"count":1,"min":0,"max":0,"mean":0}`},
		{Name: "metric", Data: `{"name":"disk","from":10000,"count":1,"min":7,"max":7,"mean":7}`},
	}
	if !slices.Equal(got.Sent, want) || got.Code != 0 || len(current) != 0 {
		t.Errorf("the end: sent %v with code %d, want %v", got.Sent, got.Code, want)
	}
}

func TestAlertsArePublished(t *testing.T) {
	defer clear(current)
	for _, tt := range []struct {
		name  string
		event abi.Event
		want  string
	}{
		{"those of the feed", abi.Event{Name: "alert", Data: `{"severity":"high"}`}, `{"severity":"high"}`},
		{"a metric past its threshold", abi.Event{Name: "metric", Data: `{"name":"cpu","value":91,"threshold":90,"timestamp":1}`},
			`{"name":"cpu","value":91,"threshold":90,"timestamp":1}`},
		{"not one at its threshold", abi.Event{Name: "metric", Data: `{"name":"cpu","value":90,"threshold":90,"timestamp":1}`}, ""},
	} {
		got := new(guesttest.Host).Event(t, onChunk, tt.event)
		var want []abi.Event
		if tt.want != "" {
			want = []abi.Event{{Subject: "alerts", Name: "alert", Data: tt.want}}
		}
		if !slices.Equal(got.Published, want) || len(got.Sent) > 0 || got.Code != 0 {
			t.Errorf("%s: published %v with code %d, want %v", tt.name, got.Published, got.Code, want)
		}
	}
}

func TestAHeartbeatIsRemembered(t *testing.T) {
	h := &guesttest.Host{}
	h.Wait(time.Minute)
	h.Event(t, onChunk, abi.Event{Name: "heartbeat"})
	if seen, err := time.Parse(time.RFC3339, string(h.KV["monitoring.seen"])); err != nil || !seen.Equal(time.Date(2000, 1, 1, 0, 1, 0, 0, time.UTC)) {
		t.Errorf("seen %s", h.KV["monitoring.seen"])
	}
}

func TestWhatIsNotKnown(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event abi.Event
		code  abi.Status
	}{
		{"another event is logged", abi.Event{Name: "restart"}, abi.OK},
		{"a metric that cannot be read is an error", abi.Event{Name: "metric", Data: "91 %"}, abi.Invalid},
	} {
		got := new(guesttest.Host).Event(t, onChunk, tt.event)
		if got.Code != int32(tt.code) || len(got.Log) != 1 || len(got.Sent)+len(got.Published) > 0 {
			t.Errorf("%s: got %+v", tt.name, got)
		}
	}
}
