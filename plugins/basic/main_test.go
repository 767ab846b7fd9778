package main

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestBasic(t *testing.T) {
	got := new(guesttest.Host).Stream(t, onStream)
	want := []abi.Event{
		{Data: "Hello from server!"},
		{Data: `{"status":"processing","progress":25}`, Name: "update"},
		{Data: `{"status":"processing","progress":50}`, Name: "update"},
		{Data: `{"status":"processing","progress":75}`, Name: "update"},
		{Data: `{"complete":true}`, Name: "done"},
	}
	if !slices.Equal(got.Sent, want) || !got.Closed || got.Code != 0 {
		t.Errorf("got %+v, want %v and the end", got, want)
	}
}
