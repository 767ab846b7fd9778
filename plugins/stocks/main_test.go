package main

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestStocks(t *testing.T) {
	at := time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)
	events := []abi.Event{
		{ID: "e-1", Time: at, Data: `{"symbol":"AAPL","price":212.5,"open":210}`},
		{ID: "e-2", Time: at, Data: `{"symbol":"GOOGL","price":170.01,"open":176}`},
		{ID: "e-3", Time: at, Data: `[]`},
		{ID: "e-4", Time: at, Data: `{"symbol":"NEW","price":9}`},
		{ID: "e-5", Time: at, Data: `{"symbol":"TINY","price":199.999,"open":200}`},
	}
	quotes := []abi.Event{
		{ID: "e-1", Name: "quote", Data: `{"symbol":"AAPL","price":212.5,"change":2.5,"percentChange":1.19,"timestamp":946684801000}`},
		{ID: "e-2", Name: "quote", Data: `{"symbol":"GOOGL","price":170.01,"change":-5.99,"percentChange":-3.4,"timestamp":946684801000}`},
		{ID: "e-4", Name: "quote", Data: `{"symbol":"NEW","price":9,"change":0,"percentChange":0,"timestamp":946684801000}`},
		{ID: "e-5", Name: "quote", Data: `{"symbol":"TINY","price":199.999,"change":0,"percentChange":0,"timestamp":946684801000}`},
	}
	for _, tt := range []struct {
		name    string
		symbols []string
		want    []abi.Event
	}{
		{"without symbols all of them", nil, quotes},
		{"a list", []string{"AAPL,GOOGL"}, quotes[:2]},
		{"case does not matter", []string{"googl"}, quotes[1:2]},
		{"a symbol that is not traded", []string{"NONE"}, nil},
	} {
		h := &guesttest.Host{Events: events, Request: abi.Request{Query: map[string][]string{"symbols": tt.symbols}}}
		if got := h.Stream(t, onStream); !slices.Equal(got.Sent, tt.want) || got.Code != 0 {
			t.Errorf("%s: sent %v with code %d, want %v", tt.name, got.Sent, got.Code, tt.want)
		}
	}
}
