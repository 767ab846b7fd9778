package host

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/millrace/millrace/abi"
	"golang.org/x/time/rate"
)

// Bounds of a plugin's log.
const (
	linesPerSecond = 100
	maxLineBytes   = 8 << 10 // the rest of a longer line is cut off
)

// lineSink takes a line of a plugin's log. Nil discards it.
type lineSink = func(level slog.Level, text string)

// pluginLog holds the lines of one plugin, over all of its instances, to their rate.
type pluginLog struct {
	host    *Host
	limiter *rate.Limiter
	dropped atomic.Int64 // since the last line that was not
}

func (h *Host) newPluginLog() *pluginLog {
	return &pluginLog{host: h, limiter: rate.NewLimiter(linesPerSecond, linesPerSecond)}
}

// print gives each line of text to sink. It returns abi.Limit if any was dropped.
func (l *pluginLog) print(sink lineSink, level slog.Level, text string) (err error) {
	for line := range strings.Lines(text) {
		if !l.line(sink, level, strings.TrimRight(line, "\r\n")) {
			err = abi.Limit
		}
	}
	return err
}

func (l *pluginLog) line(sink lineSink, level slog.Level, text string) bool {
	if !l.limiter.Allow() {
		l.dropped.Add(1)
		l.host.droppedLines.Add(1)
		return false
	}
	if sink == nil {
		return true
	}
	if n := l.dropped.Swap(0); n > 0 {
		sink(slog.LevelWarn, fmt.Sprintf("%d lines dropped", n))
	}
	sink(level, clip(text, maxLineBytes))
	return true
}

// clip makes text UTF-8 and cuts it off behind most bytes.
func clip(text string, most int) string {
	if len(text) > most {
		end := most
		for end > most-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// lineWriter is an instance's standard output or error. It hands on whole lines, and keeps no more
// than maxLineBytes of one that is not complete.
type lineWriter struct {
	instance *instance
	level    slog.Level
	line     []byte
}

// Write never fails: a plugin whose log is full goes on.
func (w *lineWriter) Write(b []byte) (int, error) {
	w.instance.enterWASI(len(b))
	for rest := b; len(rest) > 0; {
		line, after, complete := bytes.Cut(rest, []byte("\n"))
		w.line = append(w.line, line[:min(len(line), maxLineBytes+1-len(w.line))]...)
		if complete {
			w.print()
		}
		rest = after
	}
	return len(b), nil
}

// flush hands on what is there of an incomplete line.
func (w *lineWriter) flush() {
	if len(w.line) > 0 {
		w.print()
	}
}

func (w *lineWriter) print() {
	c := &w.instance.call
	c.log.line(c.session.Log, w.level, string(w.line))
	w.line = w.line[:0]
}
