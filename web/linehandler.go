package web

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// linesPerSecond bounds what one source writes to its log; more is dropped and counted.
const linesPerSecond = 100

// lineHandler writes records to a log as lines: the message, and the attributes behind it. It leaves
// out what is the same for all of them.
type lineHandler struct {
	log     *lineLog
	limiter *rate.Limiter
	dropped atomic.Int64 // since the last that was not
}

func newLineHandler(log *lineLog) *lineHandler {
	return &lineHandler{log: log, limiter: rate.NewLimiter(linesPerSecond, linesPerSecond)}
}

// Enabled is for all: what a plugin tells for debugging is for its author, who reads here.
func (h *lineHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle writes one line.
func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	text := []byte(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if v := a.Value.Resolve(); v.Any() != nil {
			text = fmt.Appendf(text, ", %s: %s", a.Key, v)
		}
		return true
	})
	h.line(r.Level, string(text))
	return nil
}

func (h *lineHandler) line(level slog.Level, text string) {
	if !h.limiter.Allow() {
		h.dropped.Add(1)
		return
	}
	if n := h.dropped.Swap(0); n > 0 {
		h.log.line(slog.LevelWarn, fmt.Sprintf("%d lines dropped", n))
	}
	h.log.line(level, text)
}

// WithAttrs leaves out attributes that every record has.
func (h *lineHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup leaves groups out.
func (h *lineHandler) WithGroup(string) slog.Handler { return h }
