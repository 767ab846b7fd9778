package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/millrace/millrace/broker"
)

func TestLogLinesAreEvents(t *testing.T) {
	f := newLogFeed()
	log := slog.New(f.handler(slog.LevelInfo))
	log.Debug("not this")
	log.With("node", "n1").Warn("slow viewer", "lag", 3)
	var line struct {
		Level, Msg string
		Attrs      map[string]any
	}
	if err := json.Unmarshal([]byte(<-f.lines), &line); err != nil {
		t.Fatal(err)
	}
	if line.Level != "WARN" || line.Msg != "slow viewer" || line.Attrs["node"] != "n1" || line.Attrs["lag"] != 3.0 {
		t.Errorf("line is %+v", line)
	}
	if len(f.lines) != 0 {
		t.Errorf("debug lines are published too")
	}
}

func TestLoggingNeverWaitsForTheFeed(t *testing.T) {
	f := newLogFeed()
	log := slog.New(f.handler(slog.LevelInfo))
	for range logFeedLines + 10 {
		log.Info("line") // nobody reads
	}
	if got := f.dropped.Load(); got != 10 {
		t.Errorf("dropped %d lines, want 10", got)
	}
}

func TestTheFeedDoesNotFeedItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLogFeed()
		log := slog.New(f.handler(slog.LevelInfo))
		ctx, cancel := context.WithCancel(t.Context())
		published := 0
		done := make(chan error)
		go func() {
			done <- f.run(ctx, func(ctx context.Context, p broker.Publication) error {
				published++
				log.With("subject", p.Subject).WithGroup("g").ErrorContext(ctx, "publishing went wrong")
				return errors.New("no")
			})
		}()
		log.Info("one line")
		synctest.Wait() // all that could follow from it has
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("run = %v", err)
		}
		if published != 1 || f.dropped.Load() != 1 {
			t.Errorf("published %d times and dropped %d, want 1 and 1", published, f.dropped.Load())
		}
	})
}
