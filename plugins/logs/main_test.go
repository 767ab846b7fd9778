package main

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestLogs(t *testing.T) {
	events := []abi.Event{
		{ID: "e-1", Data: `{"time":"2026-03-01T12:00:00Z","level":"DEBUG","msg":"ring grows"}`},
		{ID: "e-2", Data: `{"time":"2026-03-01T12:00:01Z","level":"INFO","msg":"listening","attrs":{"port":8080}}`},
		{ID: "e-3", Data: `not a record`},
		{ID: "e-4", Data: `{"time":"2026-03-01T12:00:02Z","level":"ERROR","msg":"disk is full"}`},
	}
	lines := []abi.Event{
		{ID: "e-1", Name: "log", Data: `{"level":"DEBUG","message":"ring grows","timestamp":"2026-03-01T12:00:00Z"}`},
		{ID: "e-2", Name: "log", Data: `{"level":"INFO","message":"listening","timestamp":"2026-03-01T12:00:01Z","attrs":{"port":8080}}`},
		{ID: "e-4", Name: "log", Data: `{"level":"ERROR","message":"disk is full","timestamp":"2026-03-01T12:00:02Z"}`},
	}
	for _, tt := range []struct {
		name  string
		level []string
		want  []abi.Event
	}{
		{"without a level all lines", nil, lines},
		{"a level and those above it", []string{"info"}, lines[1:]},
		{"a level that no line has", []string{"WARN"}, lines[2:]},
	} {
		h := &guesttest.Host{Events: events}
		if tt.level != nil {
			h.Request.Query = map[string][]string{"level": tt.level}
		}
		got := h.Stream(t, onStream)
		if !slices.Equal(got.Sent, tt.want) || got.Code != 0 {
			t.Errorf("%s: sent %v with code %d, want %v", tt.name, got.Sent, got.Code, tt.want)
		}
		if len(got.Log) != 1 {
			t.Errorf("%s: log %v, want one line on what is no record", tt.name, got.Log)
		}
	}
}

func TestAnUnknownLevelEndsTheStream(t *testing.T) {
	h := &guesttest.Host{Request: abi.Request{Query: map[string][]string{"level": {"loud"}}}}
	if got := h.Stream(t, onStream); got.Code != int32(abi.Invalid) {
		t.Errorf("code %d, want %d", got.Code, abi.Invalid)
	}
}

func TestARecordWithoutTime(t *testing.T) {
	h := &guesttest.Host{Events: []abi.Event{{Data: `{"level":"INFO","msg":"x"}`}}}
	got := h.Stream(t, onStream)
	want := []abi.Event{{Name: "log", Data: `{"level":"INFO","message":"x","timestamp":null}`}}
	if !slices.Equal(got.Sent, want) {
		t.Errorf("sent %v, want %v", got.Sent, want)
	}
}
