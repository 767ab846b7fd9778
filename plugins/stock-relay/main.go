// Stock-relay takes the quotes of a remote feed and adds how far each is from the first of its day,
// which the key-value store keeps.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

type quote struct {
	Symbol        string  `json:"symbol"`
	Price         float64 `json:"price"`
	Change        float64 `json:"change"`        // since the first quote of the day
	PercentChange float64 `json:"percentChange"` //
	Timestamp     int64   `json:"timestamp"`     // Unix milliseconds
}

//go:wasmexport onChunk
func onChunk() int32 {
	return guest.OnChunk(func(e *guest.Emitter, ev abi.Event) error {
		if ev.Name != "quote" {
			return nil
		}
		var q quote
		if err := json.Unmarshal([]byte(ev.Data), &q); err != nil {
			return fmt.Errorf("read quote: %w: %w", abi.Invalid, err)
		}
		first, err := firstOfDay(e, q)
		if err != nil {
			return err
		}
		if first != 0 {
			q.Change = round(q.Price - first)
			q.PercentChange = round((q.Price - first) / first * 100)
		}
		return e.SendEvent(guest.Event{Data: q, Name: "quote"})
	})
}

// firstOfDay is the price that q's symbol had first on q's day, which may be q's.
func firstOfDay(e *guest.Emitter, q quote) (float64, error) {
	day := time.UnixMilli(q.Timestamp).UTC().Format(time.DateOnly)
	key := "stock-relay." + day + "." + q.Symbol
	stored, err := e.KV().Get(key)
	if errors.Is(err, abi.NotFound) {
		return q.Price, e.KV().Put(key, q.Price, 48*time.Hour)
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(string(stored), 64)
}

func round(x float64) float64 { return math.Round(x*100)/100 + 0 } // not -0

//go:wasmexport onError
func onError() int32 {
	return guest.OnError(func(e *guest.Emitter) (guest.Retry, error) {
		r, err := e.Response()
		if err != nil {
			return guest.Decide, err
		}
		e.Log().Warn("feed disconnected", "error", r.Error, "attempt", r.Attempts)
		return guest.Decide, nil // which reconnects, and goes on behind the last quote
	})
}

func main() {}
