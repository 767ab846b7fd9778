package main

import (
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestFilter(t *testing.T) {
	min := func(field, min string) map[string][]string {
		return map[string][]string{"field": {field}, "min": {min}}
	}
	for _, tt := range []struct {
		name  string
		query map[string][]string
		data  string
		code  int32
	}{
		{"above the minimum passes", min("price", "200"), `{"price":200.5}`, abi.EventPass},
		{"the minimum itself passes", min("price", "200"), `{"price":200}`, abi.EventPass},
		{"below it is dropped", min("price", "200"), `{"price":199.99}`, abi.EventDrop},
		{"a negative minimum", min("delta", "-1.5"), `{"delta":-2}`, abi.EventDrop},
		{"the field is value if none is named", map[string][]string{"min": {"1"}}, `{"value":2}`, abi.EventPass},
		{"without a minimum all pass", nil, `text`, abi.EventPass},
		{"a field that is missing", min("price", "-1"), `{"other":5}`, abi.EventDrop},
		{"a field that is null", min("price", "-1"), `{"price":null}`, abi.EventDrop},
		{"a field that is text", min("price", "-1"), `{"price":"5"}`, abi.EventDrop},
		{"what is no object", min("price", "-1"), `[5]`, abi.EventDrop},
		{"what is no JSON", min("price", "-1"), `5 euros`, abi.EventDrop},
		{"a minimum that is no number", min("price", "much"), `{"price":5}`, int32(abi.Invalid)},
		{"a minimum that is not a number", min("price", "NaN"), `{"price":5}`, int32(abi.Invalid)},
	} {
		h := &guesttest.Host{Request: abi.Request{Query: tt.query}}
		got := h.Event(t, onEvent, abi.Event{Data: tt.data})
		if got.Code != tt.code || len(got.Sent) > 0 {
			t.Errorf("%s: code %d, sent %v, want code %d alone", tt.name, got.Code, got.Sent, tt.code)
		}
	}
}
