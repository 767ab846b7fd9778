package main

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestEnrich(t *testing.T) {
	h := &guesttest.Host{} // the cases are calls one after the other, a second apart
	for _, tt := range []struct {
		name, subject string
		seq           uint64
		data, want    string
	}{
		{"the first price has none before it", "quotes.A", 4, `{"symbol":"A","price":200}`, `{"price":200,"receivedAt":946684800000,"symbol":"A"}`},
		{"the second has", "quotes.A", 6, `{"price":205}`, `{"percentChange":2.5,"price":205,"receivedAt":946684801000}`},
		{"other subjects are apart", "quotes.B", 7, `{"price":10}`, `{"price":10,"receivedAt":946684802000}`},
		{"an event that comes twice is the same", "quotes.A", 6, `{"price":205}`, `{"percentChange":2.5,"price":205,"receivedAt":946684803000}`},
		{"a replayed one is not compared", "quotes.A", 4, `{"price":200}`, `{"price":200,"receivedAt":946684804000}`},
		{"nor counted", "quotes.A", 8, `{"price":102.5}`, `{"percentChange":-50,"price":102.5,"receivedAt":946684805000}`},
		{"a tiny fall has no sign", "quotes.A", 9, `{"price":102.499}`, `{"percentChange":0,"price":102.499,"receivedAt":946684806000}`},
		{"an object without a price has its time", "notes", 10, `{"a":{"b":[1]}}`, `{"a":{"b":[1]},"receivedAt":946684807000}`},
		{"an empty object too", "notes", 11, `{}`, `{"receivedAt":946684808000}`},
	} {
		got := h.Event(t, onEvent, abi.Event{Data: tt.data, Name: "n", Subject: tt.subject, Seq: tt.seq})
		want := []abi.Event{{Data: tt.want, Name: "n"}}
		if !slices.Equal(got.Sent, want) || got.Code != abi.EventDrop {
			t.Errorf("%s: sent %v with code %d, want %v in its place", tt.name, got.Sent, got.Code, want)
		}
		h.Wait(time.Second)
	}
	for _, data := range []string{"text", "[1]", "null", `"{}"`, ""} {
		if got := h.Event(t, onEvent, abi.Event{Data: data, Seq: 20}); !got.Passed() || len(got.Sent) > 0 {
			t.Errorf("%q: code %d, sent %v, want it passed", data, got.Code, got.Sent)
		}
	}
}

func TestAStoreOfNonsenseIsAnError(t *testing.T) {
	h := &guesttest.Host{KV: map[string][]byte{"enrich.quotes.A": []byte("nonsense")}}
	got := h.Event(t, onEvent, abi.Event{Data: `{"price":1}`, Subject: "quotes.A", Seq: 1})
	if got.Code >= 0 || len(got.Log) != 1 || len(got.Sent) > 0 {
		t.Errorf("got %+v, want an error in the log", got)
	}
}
