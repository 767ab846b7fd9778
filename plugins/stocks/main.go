// Stocks streams the quotes of the symbols that the viewer asks for as they arrive, resumable to
// the quote.
package main

import (
	"encoding/json"
	"math"
	"slices"
	"strings"

	"github.com/millrace/millrace/abi/guest"
)

// trade is an event of quotes.SYMBOL.
type trade struct {
	Symbol string  `json:"symbol"`
	Price  float64 `json:"price"`
	Open   float64 `json:"open"` // the day's first price
}

type quote struct {
	Symbol        string  `json:"symbol"`
	Price         float64 `json:"price"`
	Change        float64 `json:"change"`        // since the day's opening
	PercentChange float64 `json:"percentChange"` //
	Timestamp     int64   `json:"timestamp"`     // Unix milliseconds
}

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error {
		req, err := e.Request()
		if err != nil {
			return err
		}
		symbols := names(req.Query["symbols"])
		for {
			ev, err := e.Receive(guest.Forever)
			if err != nil {
				return err
			}
			var t trade
			if err := json.Unmarshal([]byte(ev.Data), &t); err != nil {
				e.Log().Warn("not a quote", "id", ev.ID, "error", err)
				continue
			}
			if len(symbols) > 0 && !slices.Contains(symbols, t.Symbol) {
				continue
			}
			q := t.quote()
			q.Timestamp = ev.Time.UnixMilli()
			if err := e.SendEvent(guest.Event{Data: q, Name: "quote", ID: ev.ID}); err != nil {
				return err
			}
		}
	})
}

// quote compares the price with the day's opening, without which there is no change to tell.
func (t trade) quote() quote {
	q := quote{Symbol: t.Symbol, Price: t.Price}
	if t.Open > 0 {
		q.Change = round(t.Price - t.Open)
		q.PercentChange = round((t.Price - t.Open) / t.Open * 100)
	}
	return q
}

func round(x float64) float64 { return math.Round(x*100)/100 + 0 } // not -0

// names takes lists of symbols apart: symbols=A,B and symbols=A&symbols=B say the same. None is all.
func names(lists []string) (all []string) {
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				all = append(all, strings.ToUpper(name))
			}
		}
	}
	return all
}

func main() {}
