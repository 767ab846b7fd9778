//go:build linux

package hostile

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
)

// logLines follows a plugin's log.
type logLines struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	lines []string
	err   error
	more  chan struct{} // closed and replaced at every line and at the end
}

func follow(ctx context.Context, c *client, path string) *logLines {
	ctx, cancel := context.WithCancel(ctx)
	l := &logLines{cancel: cancel, more: make(chan struct{})}
	l.wg.Go(func() {
		err := c.watch(ctx, path, func() {}, func(e abi.Event) bool {
			l.change(func() { l.lines = append(l.lines, e.Data) })
			return true
		})
		l.change(func() { l.err = cmp.Or(err, errors.New("the log's stream ended")) })
	})
	return l
}

func (l *logLines) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.more)
	l.more = make(chan struct{})
}

func (l *logLines) stop() {
	l.cancel()
	l.wg.Wait()
}

// await waits for a line that matches.
func (l *logLines) await(t *testing.T, pattern *regexp.Regexp) {
	t.Helper()
	deadline := time.After(logWithin)
	for {
		l.mu.Lock()
		lines, err, more := l.lines, l.err, l.more
		l.mu.Unlock()
		if slices.ContainsFunc(lines, pattern.MatchString) {
			return
		}
		if err != nil {
			t.Errorf("follow the plugin's log: %v", err)
			return
		}
		select {
		case <-more:
		case <-deadline:
			t.Errorf("none of %d lines of the plugin's log has %s: %.500s", len(lines), pattern, strings.Join(lines, "; "))
			return
		}
	}
}
