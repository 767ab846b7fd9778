package web

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLineHandler(t *testing.T) {
	log := newLineLogs().of("acme", sourceLog("a"))
	logger := slog.New(newLineHandler(log)).With("source", "a")
	logger.Warn("it met an error", "attempt", 2, "error", errors.New("status 503"))
	logger.Info("it has ended", "error", error(nil))
	lines, _, _ := log.after(0)
	for i, want := range []string{`"text":"it met an error, attempt: 2, error: status 503"`, `"text":"it has ended"`} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %s, want %s", lines[i], want)
		}
	}
}

func TestLineHandlerDropsAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLineLogs().of("acme", sourceLog("a"))
		logger := slog.New(newLineHandler(log))
		for range 1000 {
			logger.Info("again")
		}
		if lines, _, _ := log.after(0); len(lines) != linesPerSecond {
			t.Errorf("%d lines at once, want %d", len(lines), linesPerSecond)
		}
		time.Sleep(time.Second)
		logger.Info("later")
		lines, _, _ := log.after(linesPerSecond)
		if len(lines) != 2 || !strings.Contains(lines[0], "900 lines dropped") || !strings.Contains(lines[1], "later") {
			t.Errorf("lines %q", lines)
		}
	})
}
