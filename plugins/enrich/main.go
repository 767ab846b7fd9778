// Enrich adds to quotes when they were received and how far the price has moved since the one
// before, which it keeps in the key-value store.
package main

import (
	"encoding/json"
	"errors"
	"math"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onEvent
func onEvent() int32 {
	return guest.OnEvent(func(e *guest.Emitter, ev abi.Event) (guest.Verdict, error) {
		var doc map[string]any
		if err := json.Unmarshal([]byte(ev.Data), &doc); err != nil || doc == nil {
			return guest.Pass, nil // not an object: nothing to add to
		}
		doc["receivedAt"] = e.Now().UnixMilli()
		if price, ok := doc["price"].(float64); ok {
			before, err := priceBefore(e, ev, price)
			if err != nil {
				return guest.Drop, err
			}
			if before != 0 {
				doc["percentChange"] = math.Round((price-before)/before*1e4)/100 + 0 // not -0
			}
		}
		return guest.Drop, e.SendEvent(guest.Event{Data: doc, Name: ev.Name}) // in its place
	})
}

// last is what the store keeps of a subject. An event is seen more than once, by several nodes and
// when it is replayed, so the price belongs to a position in the history.
type last struct {
	Seq    uint64  `json:"seq"`
	Price  float64 `json:"price"`
	Before float64 `json:"before"`
}

// priceBefore is the price before that of ev, 0 if it is not known: for the first event of a
// subject, and for a replayed one that has been overtaken.
func priceBefore(e *guest.Emitter, ev abi.Event, price float64) (float64, error) {
	key := "enrich." + ev.Subject
	var l last
	stored, err := e.KV().Get(key)
	switch {
	case errors.Is(err, abi.NotFound):
	case err != nil:
		return 0, err
	default:
		if err := json.Unmarshal(stored, &l); err != nil {
			return 0, err
		}
	}
	switch {
	case ev.Seq < l.Seq:
		return 0, nil
	case ev.Seq > l.Seq:
		l = last{ev.Seq, price, l.Price}
		if err := e.KV().Put(key, l, 0); err != nil { // abi.Limit, with very many quotes
			e.Log().Warn("price not kept", "subject", ev.Subject, "error", err)
		}
	}
	return l.Before, nil
}

func main() {}
