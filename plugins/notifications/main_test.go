package main

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestNotifications(t *testing.T) {
	at := time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)
	h := &guesttest.Host{Events: []abi.Event{
		{ID: "e-1", Time: at, Data: `{"id":"n1","type":"mention","title":"Bob","message":"Hi","extra":1}`},
		{ID: "e-2", Time: at, Data: `plain text`},
		{ID: "e-3", Time: at, Data: `{"type":"build","title":"Passed","message":""}`},
	}}
	got := h.Stream(t, onStream)
	want := []abi.Event{
		{ID: "e-1", Name: "notification", Data: `{"id":"n1","type":"mention","title":"Bob","message":"Hi","timestamp":946684801000}`},
		{ID: "e-3", Name: "notification", Data: `{"type":"build","title":"Passed","message":"","timestamp":946684801000}`},
	}
	if !slices.Equal(got.Sent, want) || got.Code != 0 {
		t.Errorf("sent %v with code %d, want %v", got.Sent, got.Code, want)
	}
	if len(got.Log) != 1 || got.Log[0].Level != abi.LogWarn {
		t.Errorf("log %v, want a warning", got.Log)
	}
}
