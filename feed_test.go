package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/broker"
)

func TestTheSampleFeedKeepsEveryExampleBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]int{}
		var last broker.Publication
		f := newFeed(func(_ context.Context, p broker.Publication) error {
			seen[p.Subject]++
			if p.Subject == "quotes.AAPL" {
				last = p
			}
			if !json.Valid([]byte(p.Data)) {
				t.Errorf("%s: %q is not JSON", p.Subject, p.Data)
			}
			return nil
		}, func(now time.Time) measurement { return measurement{Timestamp: now.UnixMilli()} }, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second+time.Millisecond)
		defer cancel()
		if err := f.run(ctx, slog.New(slog.DiscardHandler)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("run = %v", err)
		}
		for subject, want := range map[string]int{
			"sys.metrics": 60, "quotes.AAPL": 60, "quotes.GOOGL": 60, "quotes.MSFT": 60,
			"chat.general": 9, "chat.random": 6, "notifications.ada": 4, "notifications.bob": 2,
			"news.harbour": 6, "news.weather": 6,
		} {
			if seen[subject] != want {
				t.Errorf("%s has %d events in a minute, want %d", subject, seen[subject], want)
			}
		}
		var q quote
		if err := json.Unmarshal([]byte(last.Data), &q); err != nil || q.Symbol != "AAPL" || q.Open != 228 || q.Price == q.Open {
			t.Errorf("the last quote is %s, %v", last.Data, err)
		}
	})
}

func TestAFeedThatStumblesGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rounds := 0
		f := newFeed(func(context.Context, broker.Publication) error {
			rounds++
			return errors.New("no")
		}, func(time.Time) measurement { return measurement{} }, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second+time.Millisecond)
		defer cancel()
		_ = f.run(ctx, slog.New(slog.DiscardHandler))
		if rounds != 3 {
			t.Errorf("%d rounds in three seconds, want 3", rounds)
		}
	})
}

func TestQuotesStayInSight(t *testing.T) {
	f := newFeed(nil, nil, 2)
	for _, q := range f.quotes {
		for range 100_000 {
			q.walk(f.rand)
			if q.Price < q.Open/2-0.01 || q.Price > 2*q.Open+0.01 {
				t.Fatalf("%s left for %v", q.Symbol, q.Price)
			}
		}
	}
}
