package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

// measurements are events n seconds after the start, early or late by turns.
func measurements(n int) (events []abi.Event) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		at := start.Add(time.Duration(i)*time.Second + time.Duration(i%3*20)*time.Millisecond)
		events = append(events, abi.Event{Data: fmt.Sprintf(`{"cpu":%d}`, i), Subject: "sys.metrics", Time: at})
	}
	return events
}

func TestDashboard(t *testing.T) {
	metrics := func(numbers ...int) (events []abi.Event) {
		for _, n := range numbers {
			events = append(events, abi.Event{Data: fmt.Sprintf(`{"cpu":%d}`, n), Name: "metrics"})
		}
		return events
	}
	for _, tt := range []struct {
		name  string
		every []string
		want  []abi.Event
		code  abi.Status
	}{
		{"every five seconds", nil, metrics(0, 5, 10), abi.OK},
		{"every two seconds", []string{"2000"}, metrics(0, 2, 4, 6, 8, 10, 12), abi.OK},
		{"every second is all of them", []string{"1000"}, metrics(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), abi.OK},
		{"all of them", []string{"0"}, metrics(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), abi.OK},
		{"a wish that is no number", []string{"often"}, nil, abi.Invalid},
		{"a negative wish", []string{"-1"}, nil, abi.Invalid},
	} {
		h := &guesttest.Host{Events: measurements(13)}
		if tt.every != nil {
			h.Request.Query = map[string][]string{"every": tt.every}
		}
		got := h.Stream(t, onStream)
		if !slices.Equal(got.Sent, tt.want) || got.Code != int32(tt.code) {
			t.Errorf("%s: sent %v with code %d, want %v with %d", tt.name, got.Sent, got.Code, tt.want, tt.code)
		}
	}
}

func TestEndsAfterAnHour(t *testing.T) {
	for name, n := range map[string]int{"with measurements": 5000, "without": 1} {
		events := append(measurements(n), abi.Event{Time: time.Date(2000, 1, 1, 9, 0, 0, 0, time.UTC)})
		got := (&guesttest.Host{Events: events}).Stream(t, onStream)
		if !got.Closed || got.Took.Round(time.Minute) != time.Hour {
			t.Errorf("%s: closed is %v after %v, want true after an hour", name, got.Closed, got.Took)
		}
	}
}
