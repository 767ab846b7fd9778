package web

import (
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"
)

const levelError = slog.LevelError

// lineLogs are the last lines that each plugin and source of each tenant wrote on this node.
type lineLogs struct {
	mu    sync.Mutex
	byKey map[string]*lineLog
}

func newLineLogs() *lineLogs { return &lineLogs{byKey: map[string]*lineLog{}} }

// pluginLog and sourceLog are what a log is asked for by.
func pluginLog(plugin string) string { return "plugins/" + plugin }
func sourceLog(source string) string { return "sources/" + source }

// of gives a log, made at first use.
func (ls *lineLogs) of(tenant, what string) *lineLog {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	key := tenant + "/" + what
	l := ls.byKey[key]
	if l == nil {
		l = &lineLog{wake: make(chan struct{})}
		ls.byKey[key] = l
	}
	return l
}

// forget lets go of a log; those who read it go on with what they have.
func (ls *lineLogs) forget(tenant, what string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.byKey, tenant+"/"+what)
}

// forgetTenant lets go of all logs of a tenant.
func (ls *lineLogs) forgetTenant(tenant string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	maps.DeleteFunc(ls.byKey, func(key string, _ *lineLog) bool { return strings.HasPrefix(key, tenant+"/") })
}

// Bounds of one log.
const (
	maxLogLines = 200
	maxLogLine  = 8 << 10 // bytes
)

// lineLog keeps the last lines of one log and wakes those who follow them.
type lineLog struct {
	mu    sync.Mutex
	lines []string // JSON, oldest first
	first uint64   // number of lines[0]
	wake  chan struct{}
}

// line adds one line.
func (l *lineLog) line(level slog.Level, text string) {
	if len(text) > maxLogLine {
		text = text[:maxLogLine] + "…"
	}
	doc := jsonText(struct {
		Time  time.Time `json:"time"`
		Level string    `json:"level"`
		Text  string    `json:"text"`
	}{time.Now().UTC(), level.String(), text})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, doc)
	if over := len(l.lines) - maxLogLines; over > 0 {
		l.lines, l.first = l.lines[over:], l.first+uint64(over)
	}
	close(l.wake)
	l.wake = make(chan struct{})
}

// after gives the lines from number n on, the number behind them, and what to wait on for more.
func (l *lineLog) after(n uint64) (lines []string, next uint64, wake <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next = l.first + uint64(len(l.lines))
	n = min(max(n, l.first), next)
	return append([]string(nil), l.lines[n-l.first:]...), next, l.wake
}

// jsonText is v as JSON; v is always of a kind that has one.
func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
