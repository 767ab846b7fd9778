package web

import (
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const levelError = slog.LevelError

// lineLogs are the last lines that each plugin and source of each tenant wrote on this node.
type lineLogs struct {
	mu       sync.Mutex
	byKey    map[string]*lineLog
	byTenant map[string]*atomic.Int64 // bytes that all logs of a tenant hold
}

func newLineLogs() *lineLogs {
	return &lineLogs{byKey: map[string]*lineLog{}, byTenant: map[string]*atomic.Int64{}}
}

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
		if ls.byTenant[tenant] == nil {
			ls.byTenant[tenant] = new(atomic.Int64)
		}
		l = &lineLog{wake: make(chan struct{}), all: ls.byTenant[tenant]}
		ls.byKey[key] = l
	}
	return l
}

// forget lets go of a log; those who read it go on with what they have.
func (ls *lineLogs) forget(tenant, what string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	key := tenant + "/" + what
	if l := ls.byKey[key]; l != nil {
		l.forget()
		delete(ls.byKey, key)
	}
}

// forgetTenant lets go of all logs of a tenant.
func (ls *lineLogs) forgetTenant(tenant string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	maps.DeleteFunc(ls.byKey, func(key string, _ *lineLog) bool { return strings.HasPrefix(key, tenant+"/") })
	delete(ls.byTenant, tenant)
}

// Bounds of the lines that are kept. Bytes are those of JSON, in which some bytes become six.
const (
	maxLogLines       = 200
	maxLogLine        = 8 << 10 // bytes, before it is JSON
	maxLogBytes       = 256 << 10
	maxTenantLogBytes = 4 << 20 // past it each log keeps its last line
)

// lineLog keeps the last lines of one log and wakes those who follow them.
type lineLog struct {
	mu    sync.Mutex
	lines []string // JSON, oldest first
	bytes int      // of lines
	first uint64   // number of lines[0]
	wake  chan struct{}
	all   *atomic.Int64 // what the tenant's logs hold together
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
	l.hold(len(doc))
	for len(l.lines) > maxLogLines || len(l.lines) > 1 && (l.bytes > maxLogBytes || l.all.Load() > maxTenantLogBytes) {
		l.hold(-len(l.lines[0]))
		l.lines[0] = "" // the array holds on to it for a while
		l.lines, l.first = l.lines[1:], l.first+1
	}
	close(l.wake)
	l.wake = make(chan struct{})
}

// hold counts bytes, or fewer. The caller has mu.
func (l *lineLog) hold(bytes int) {
	l.bytes += bytes
	l.all.Add(int64(bytes))
}

// forget lets those who still write to the log do so on their own account.
func (l *lineLog) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Add(-int64(l.bytes))
	l.all = new(atomic.Int64)
	l.all.Store(int64(l.bytes))
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
