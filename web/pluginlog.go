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

// pluginLogs are the last lines that each plugin of each tenant wrote on this node.
type pluginLogs struct {
	mu    sync.Mutex
	byKey map[string]*pluginLog
}

func newPluginLogs() *pluginLogs { return &pluginLogs{byKey: map[string]*pluginLog{}} }

// of gives a plugin's log, made at first use.
func (ls *pluginLogs) of(tenant, plugin string) *pluginLog {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	key := tenant + "/" + plugin
	l := ls.byKey[key]
	if l == nil {
		l = &pluginLog{wake: make(chan struct{})}
		ls.byKey[key] = l
	}
	return l
}

// forget lets go of a plugin's log; those who read it go on with what they have.
func (ls *pluginLogs) forget(tenant, plugin string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.byKey, tenant+"/"+plugin)
}

// forgetTenant lets go of all logs of a tenant.
func (ls *pluginLogs) forgetTenant(tenant string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	maps.DeleteFunc(ls.byKey, func(key string, _ *pluginLog) bool { return strings.HasPrefix(key, tenant+"/") })
}

// Bounds of one plugin's log.
const (
	maxLogLines = 200
	maxLogLine  = 8 << 10 // bytes
)

// pluginLog keeps a plugin's last lines and wakes those who follow them.
type pluginLog struct {
	mu    sync.Mutex
	lines []string // JSON, oldest first
	first uint64   // number of lines[0]
	wake  chan struct{}
}

// line adds one line.
func (l *pluginLog) line(level slog.Level, text string) {
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
func (l *pluginLog) after(n uint64) (lines []string, next uint64, wake <-chan struct{}) {
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
