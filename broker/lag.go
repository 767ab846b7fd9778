package broker

import (
	"sync/atomic"
	"time"
)

// lag is how far a hub is behind what it knows to be stored. The hub's goroutine writes it, any reads.
type lag struct {
	made    time.Time     // of the hub
	reached atomic.Uint64 // the last sequence that is known to be stored
	since   atomic.Int64  // of made, in nanoseconds: when the hub fell behind
}

// reaches notes that seq is stored, where the hub has passed on what is up to passed.
func (l *lag) reaches(seq, passed uint64) {
	reached := l.reached.Load()
	if seq <= max(reached, passed) {
		return
	}
	if reached <= passed {
		l.since.Store(int64(time.Since(l.made)))
	}
	l.reached.Store(seq)
}

// of is by how many sequences a hub is behind that has passed on what is up to passed, and for how long.
func (l *lag) of(passed uint64) (events uint64, lasts time.Duration) {
	reached := l.reached.Load()
	if reached <= passed {
		return 0, 0
	}
	return reached - passed, time.Since(l.made) - time.Duration(l.since.Load())
}

// lags are the largest of all hubs'.
func (b *Broker) lags() (events uint64, lasts time.Duration) {
	b.mu.Lock()
	links := make([]*link, 0, len(b.links))
	for _, l := range b.links {
		links = append(links, l)
	}
	b.mu.Unlock()
	for _, l := range links {
		if !l.mu.TryLock() {
			continue // it is being set up
		}
		h := l.hub
		l.mu.Unlock()
		if h == nil || h.ctx.Err() != nil {
			continue
		}
		n, d := h.lag.of(h.passed.Load())
		events, lasts = max(events, n), max(lasts, d)
	}
	return events, lasts
}
