package web

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/millrace/millrace/host"
)

// TestLogsAreBoundInBytes: lines of control characters, which JSON makes six times as long.
func TestLogsAreBoundInBytes(t *testing.T) {
	logs := newLineLogs()
	line := strings.Repeat("\x01", maxLogLine)
	for i := range 100 {
		l := logs.of("acme", pluginLog(fmt.Sprint("p", i)))
		for range maxLogLines {
			l.line(slog.LevelInfo, line)
		}
		if l.bytes > maxLogBytes {
			t.Fatalf("a log holds %d bytes, over %d", l.bytes, maxLogBytes)
		}
	}
	const lastLines = 100 * 7 * maxLogLine
	if got := logs.byTenant["acme"].Load(); got > maxTenantLogBytes+lastLines {
		t.Errorf("the tenant's logs hold %d bytes", got)
	}
	other := logs.of("other", pluginLog("p"))
	for i := range maxLogLines + 50 {
		other.line(slog.LevelInfo, fmt.Sprint(i))
	}
	lines, next, _ := other.after(0)
	if len(lines) != maxLogLines || next != maxLogLines+50 || !strings.Contains(lines[0], `"text":"50"`) {
		t.Errorf("another tenant's log has %d lines up to %d, the first is %s", len(lines), next, lines[0])
	}
	for i := range 100 {
		logs.forget("acme", pluginLog(fmt.Sprint("p", i)))
	}
	if got := logs.byTenant["acme"].Load(); got != 0 {
		t.Errorf("%d bytes are counted of logs that are forgotten", got)
	}
}

func TestFailureTextTellsWhere(t *testing.T) {
	trap := &host.TrapError{Callback: "onStream", Reason: "unreachable", Stack: strings.Repeat("f()\n", 30) + "g()"}
	text := failureText("onStream failed", fmt.Errorf("stream: %w", trap))
	if !strings.HasPrefix(text, "onStream failed: stream: onStream trapped: unreachable\n\tat f()\n\tat f()") ||
		strings.Count(text, "\n") != maxFrames+1 || !strings.HasSuffix(text, "…") {
		t.Errorf("the log says %q", text)
	}
}
