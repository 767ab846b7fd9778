package main

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestCors(t *testing.T) {
	got := new(guesttest.Host).Stream(t, onStream)
	want := []abi.Event{
		{Data: `{"message":"Hello from API"}`, Name: "greeting", ID: "1"},
		{Data: `{"data":"Cross-origin data"}`, Name: "data", ID: "2"},
	}
	if !slices.Equal(got.Sent, want) || !got.Closed || got.Code != 0 {
		t.Errorf("got %+v, want %v and the end", got, want)
	}
}
