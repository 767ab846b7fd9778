package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/broker"
)

// publisher publishes one event of the demo's tenant.
type publisher func(ctx context.Context, p broker.Publication) error

// feed publishes once a second what the examples live on: measurements of the server itself, quotes
// that walk at random, and now and then a line of a chat, news and a notification.
type feed struct {
	publish publisher
	measure func(now time.Time) measurement
	rand    *rand.Rand
	quotes  []quote
}

// quote is an event of quotes.SYMBOL.
type quote struct {
	Symbol string  `json:"symbol"`
	Price  float64 `json:"price"`
	Open   float64 `json:"open"` // the price that the day began with
}

func newFeed(publish publisher, measure func(time.Time) measurement, seed uint64) *feed {
	f := &feed{publish: publish, measure: measure, rand: rand.New(rand.NewPCG(seed, seed))}
	for _, q := range []quote{{Symbol: "AAPL", Open: 228}, {Symbol: "GOOGL", Open: 176}, {Symbol: "MSFT", Open: 431}} {
		q.Price = q.Open
		f.quotes = append(f.quotes, q)
	}
	return f
}

// run publishes until ctx ends. A round that does not go through is logged, and the next one tried.
func (f *feed) run(ctx context.Context, log *slog.Logger) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for round := 0; ; round++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-ticker.C:
			if err := f.round(ctx, round, now); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "sample feed stumbled", "error", err)
			}
			if round%5 == 0 {
				log.InfoContext(ctx, "samples published", "rounds", round+1) // what the example of logs lives on
			}
		}
	}
}

// round publishes the events of one second.
func (f *feed) round(ctx context.Context, round int, now time.Time) error {
	if err := f.send(ctx, "sys.metrics", f.measure(now)); err != nil {
		return err
	}
	for i := range f.quotes {
		f.quotes[i].walk(f.rand)
		if err := f.send(ctx, "quotes."+f.quotes[i].Symbol, f.quotes[i]); err != nil {
			return err
		}
	}
	for _, samples := range []struct {
		every int // seconds
		of    []sample
	}{{4, chatSamples}, {5, newsSamples}, {10, notificationSamples}} {
		if round%samples.every != 0 {
			continue
		}
		s := samples.of[round/samples.every%len(samples.of)]
		if err := f.send(ctx, s.subject, s.data); err != nil {
			return err
		}
	}
	return nil
}

func (f *feed) send(ctx context.Context, subject string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return f.publish(ctx, broker.Publication{Subject: subject, Data: string(b)})
}

// walk moves the price by at most half a percent, in cents. It stays within half and twice of where
// the day began.
func (q *quote) walk(r *rand.Rand) {
	price := q.Price * (1 + (r.Float64()-0.5)/100)
	q.Price = math.Round(100*min(max(price, q.Open/2), 2*q.Open)) / 100
}

// sample is an event of the feed.
type sample struct {
	subject string
	data    map[string]string
}

var chatSamples = []sample{
	{"chat.general", map[string]string{"user": "ada", "text": "Good morning! Is the release out?"}},
	{"chat.general", map[string]string{"user": "bob", "text": "An hour ago. Write to support@example.com if something breaks."}},
	{"chat.random", map[string]string{"user": "eve", "text": "There is cake in the kitchen."}},
	{"chat.general", map[string]string{"user": "ada", "text": "The invoice went to card 4111 1111 1111 1111."}},
	{"chat.random", map[string]string{"user": "bob", "text": "The cake is gone."}},
}

var newsSamples = []sample{
	{"news.harbour", map[string]string{"headline": "Second ferry starts on Monday"}},
	{"news.weather", map[string]string{"headline": "Fog until noon, then sun"}},
}

var notificationSamples = []sample{
	{"notifications.ada", map[string]string{"id": "n1", "type": "mention", "title": "Bob mentioned you", "message": "See the second draft."}},
	{"notifications.ada", map[string]string{"id": "n2", "type": "build", "title": "Build 512 passed", "message": "All 340 tests are green."}},
	{"notifications.bob", map[string]string{"id": "n3", "type": "reply", "title": "Ada answered", "message": "Looks good to me."}},
}
