package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestQuotesAreRelayedWithTheirChange(t *testing.T) {
	h := &guesttest.Host{} // the cases are quotes one after the other
	today, tomorrow := time.Date(2000, 1, 1, 9, 0, 0, 0, time.UTC).UnixMilli(), time.Date(2000, 1, 2, 9, 0, 0, 0, time.UTC).UnixMilli()
	for _, tt := range []struct {
		name   string
		symbol string
		price  float64
		at     int64
		want   string
	}{
		{"the first of the day", "A", 200, today, `"change":0,"percentChange":0`},
		{"a later one", "A", 205, today + 1000, `"change":5,"percentChange":2.5`},
		{"a fall", "A", 199.9, today + 2000, `"change":-0.1,"percentChange":-0.05`},
		{"a tiny one has no sign", "A", 199.999, today + 3000, `"change":0,"percentChange":0`},
		{"another symbol", "B", 10, today, `"change":0,"percentChange":0`},
		{"another day", "A", 100, tomorrow, `"change":0,"percentChange":0`},
	} {
		data := fmt.Sprintf(`{"symbol":%q,"price":%g,"timestamp":%d}`, tt.symbol, tt.price, tt.at)
		got := h.Event(t, onChunk, abi.Event{Name: "quote", Data: data})
		want := []abi.Event{{Name: "quote", Data: fmt.Sprintf(`{"symbol":%q,"price":%g,%s,"timestamp":%d}`, tt.symbol, tt.price, tt.want, tt.at)}}
		if !slices.Equal(got.Sent, want) || got.Code != 0 {
			t.Errorf("%s: sent %v with code %d, want %v", tt.name, got.Sent, got.Code, want)
		}
	}
}

func TestWhatIsNoQuote(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event abi.Event
		code  abi.Status
	}{
		{"other events are left out", abi.Event{Name: "heartbeat", Data: "{}"}, abi.OK},
		{"a quote that cannot be read is an error", abi.Event{Name: "quote", Data: "text"}, abi.Invalid},
	} {
		if got := new(guesttest.Host).Event(t, onChunk, tt.event); got.Code != int32(tt.code) || len(got.Sent) > 0 {
			t.Errorf("%s: sent %v with code %d", tt.name, got.Sent, got.Code)
		}
	}
}

func TestADisconnectIsLogged(t *testing.T) {
	h := &guesttest.Host{Response: &abi.Response{Attempts: 2, Error: "connection reset"}}
	got := h.End(t, onError)
	want := []guesttest.Line{{Level: abi.LogWarn, Text: `feed disconnected error="connection reset" attempt=2`}}
	if got.Code != abi.RetryDecide || !slices.Equal(got.Log, want) {
		t.Errorf("code %d, log %v, want %v", got.Code, got.Log, want)
	}
}
