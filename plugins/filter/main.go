// Filter lets through the events whose JSON has a number of at least min, by the viewer's query.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onEvent
func onEvent() int32 {
	return guest.OnEvent(func(e *guest.Emitter, ev abi.Event) (guest.Verdict, error) {
		req, err := e.Request()
		if err != nil {
			return guest.Drop, err
		}
		query := url.Values(req.Query)
		if !query.Has("min") {
			return guest.Pass, nil
		}
		least, err := strconv.ParseFloat(query.Get("min"), 64)
		if err != nil || math.IsNaN(least) {
			return guest.Drop, fmt.Errorf("min is %q: %w", query.Get("min"), abi.Invalid)
		}
		field := cmp.Or(query.Get("field"), "value")
		if value, ok := number(ev.Data, field); !ok || value < least {
			return guest.Drop, nil
		}
		return guest.Pass, nil
	})
}

// number is the number in a field of a JSON object, if data is one and has it.
func number(data, field string) (value float64, ok bool) {
	var doc map[string]any
	if err := json.Unmarshal([]byte(data), &doc); err != nil {
		return 0, false
	}
	value, ok = doc[field].(float64)
	return value, ok
}

func main() {}
