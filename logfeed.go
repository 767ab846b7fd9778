package main

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/millrace/millrace/broker"
)

// logFeedLines is how many lines may wait to be published.
const logFeedLines = 256

// logFeed publishes the server's own log, a line an event: {"time", "level", "msg", "attrs"}. Lines
// that come faster than they can be published are dropped and counted; logging never waits for it.
// What is logged on behalf of its own publishing it leaves out, else each line would make another.
type logFeed struct {
	lines   chan string
	dropped atomic.Uint64
}

func newLogFeed() *logFeed { return &logFeed{lines: make(chan string, logFeedLines)} }

// handler is the end of the feed that a logger writes to.
func (f *logFeed) handler(level slog.Leveler) slog.Handler {
	return feedHandler{slog.NewJSONHandler(f, &slog.HandlerOptions{Level: level}).WithGroup("attrs")}
}

// Write takes one line, as slog's handlers write it in one call. It never waits and never fails.
func (f *logFeed) Write(line []byte) (int, error) {
	select {
	case f.lines <- string(bytes.TrimRight(line, "\n")):
	default:
		f.dropped.Add(1)
	}
	return len(line), nil
}

// run publishes to sys.log until ctx ends. A line that cannot be published counts as dropped.
func (f *logFeed) run(ctx context.Context, publish publisher) error {
	ctx = context.WithValue(ctx, feeding{}, true)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case line := <-f.lines:
			if err := publish(ctx, broker.Publication{Subject: "sys.log", Data: line}); err != nil {
				f.dropped.Add(1)
			}
		}
	}
}

// feeding marks the context of the feed's own publishing.
type feeding struct{}

// feedHandler takes no record that was logged under such a context.
type feedHandler struct{ slog.Handler }

func (h feedHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return ctx.Value(feeding{}) == nil && h.Handler.Enabled(ctx, level)
}

func (h feedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return feedHandler{h.Handler.WithAttrs(attrs)}
}

func (h feedHandler) WithGroup(name string) slog.Handler {
	return feedHandler{h.Handler.WithGroup(name)}
}
