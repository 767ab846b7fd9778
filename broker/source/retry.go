package source

import (
	"math/rand/v2"
	"time"
)

// leastWait keeps a remote that sets retry: 0 from being asked in a loop.
const leastWait = 100 * time.Millisecond

// backoff says how long to wait before the next attempt.
type backoff struct {
	config   Retry
	base     time.Duration // what the remote asked for, or Initial
	failures int           // connections in a row without an event
	waits    int           // since there was one
	moved    bool          // the connection at hand brought one
}

func newBackoff(config Retry) backoff {
	return backoff{config: config, base: millis(config.Initial)}
}

// fail returns the wait after a connection that failed, and false if it was one too many without an
// event. The wait doubles up to Max, is not below what the remote asked for now, and longer by jitter.
func (b *backoff) fail(asked time.Duration) (time.Duration, bool) {
	wait := b.base
	for range b.waits {
		if wait >= millis(b.config.Max) {
			break
		}
		wait = min(2*wait, millis(b.config.Max))
	}
	b.waits++
	if !b.moved {
		b.failures++
	}
	b.moved = false
	return b.spread(max(wait, asked)), b.config.Attempts == 0 || b.failures < b.config.Attempts
}

// again is the wait after a stream that was complete.
func (b *backoff) again() time.Duration { return b.spread(b.base) }

// spread adds jitter. It adds only, so that no remote is asked earlier than it wants.
func (b *backoff) spread(wait time.Duration) time.Duration {
	return wait + time.Duration(rand.Float64()**b.config.Jitter*float64(wait))
}

// progress forgets the failures: the connection at hand is none.
func (b *backoff) progress() { b.failures, b.waits, b.moved = 0, 0, true }

// set makes what the remote asks for the first wait.
func (b *backoff) set(base time.Duration) { b.base = min(max(base, leastWait), maxWait) }
