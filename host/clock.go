package host

import (
	"context"
	"time"
)

// clock is the time as one instance sees it: the host's, set forward by every sleep that was cut
// short. A guest whose own scheduler sleeps through WASI, as Go's does, then finds its timers due
// when its stream ends, sees that it is closed, and leaves; if only the sleep returned early, it
// would go back to sleep until its clock had caught up. Only the instance's goroutine uses it.
type clock struct {
	began time.Time
	ahead time.Duration
}

// napAfterEnd is how long a sleep still takes after the stream has ended, so that a guest which
// sleeps on and on does not spin until it is stopped.
const napAfterEnd = time.Millisecond

// maxAhead keeps a clock within what WASI's 64 bits of nanoseconds can tell.
const maxAhead = 100 * 365 * 24 * time.Hour

func (c *clock) now() time.Time { return time.Now().Add(c.ahead) }

func (c *clock) walltime() (sec int64, nsec int32) {
	now := c.now()
	return now.Unix(), int32(now.Nanosecond())
}

// nanotime is never 0, which Go's runtime takes for a broken clock.
func (c *clock) nanotime() int64 { return int64(time.Since(c.began)+c.ahead) + 1 }

// sleep waits for d, or until ctx ends.
func (c *clock) sleep(ctx context.Context, d time.Duration) {
	wait, done := d, ctx.Done()
	if ctx.Err() != nil {
		wait, done = min(d, napAfterEnd), nil
	}
	started := time.Now()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	}
	if rest := d - time.Since(started); rest > 0 && ctx.Err() != nil {
		c.ahead = min(c.ahead+min(rest, maxAhead), maxAhead)
	}
}
