package main

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestChat(t *testing.T) {
	at := time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)
	events := []abi.Event{
		{ID: "e-1", Time: at, Subject: "chat.general", Data: `{"user":"ada","text":"Hello","channel":"forged"}`},
		{ID: "e-2", Time: at, Subject: "chat.random", Data: `{"user":"bob","text":"Cake!"}`},
		{ID: "e-3", Time: at, Subject: "chat.general", Data: `Hello?`},
		{ID: "e-4", Time: at, Subject: "chat.team.go", Data: `{"user":"eve","text":"<3"}`},
	}
	messages := []abi.Event{
		{ID: "e-1", Name: "message", Data: `{"channel":"general","user":"ada","text":"Hello","timestamp":946684801000}`},
		{ID: "e-2", Name: "message", Data: `{"channel":"random","user":"bob","text":"Cake!","timestamp":946684801000}`},
		{ID: "e-4", Name: "message", Data: `{"channel":"team.go","user":"eve","text":"<3","timestamp":946684801000}`},
	}
	for _, tt := range []struct {
		name     string
		channels []string
		want     []abi.Event
	}{
		{"without channels all of them", nil, messages},
		{"one channel", []string{"random"}, messages[1:2]},
		{"a list", []string{"general, random"}, messages[:2]},
		{"a list in pieces", []string{"random", "team.go"}, messages[1:]},
		{"a channel without messages", []string{"empty"}, nil},
		{"an empty list is no list", []string{","}, messages},
	} {
		h := &guesttest.Host{Events: events, Request: abi.Request{Query: map[string][]string{"channels": tt.channels}}}
		if got := h.Stream(t, onStream); !slices.Equal(got.Sent, tt.want) || got.Code != 0 {
			t.Errorf("%s: sent %v with code %d, want %v", tt.name, got.Sent, got.Code, tt.want)
		}
	}
}
