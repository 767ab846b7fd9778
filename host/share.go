package host

import (
	"context"
	"math"
	"sync"
	"time"
)

// Share is what the callbacks that run on it may take of the processors together: Config.CPUShare,
// with a second's worth in advance. A callback that finds it used up waits; one that would wait
// longer than a second is stopped. A Share is safe for concurrent use.
type Share struct {
	rate float64 // processor time a time

	mu   sync.Mutex
	left time.Duration // below 0 is a debt
	at   time.Time
}

// longestWait is how long a guest waits for its share before it is stopped.
const longestWait = time.Second

// NewShare returns a full Share.
func (h *Host) NewShare() *Share {
	rate := h.config.CPUShare
	return &Share{rate: rate, left: burst(rate), at: time.Now()}
}

func burst(rate float64) time.Duration { return time.Duration(rate * float64(time.Second)) }

// charge takes d from the share and returns how long it is until there is some left.
func (s *Share) charge(d time.Duration) (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.left += time.Duration(math.Min(now.Sub(s.at).Seconds(), 3600) * s.rate * float64(time.Second))
	s.at = now
	s.left = min(s.left, burst(s.rate)) - d
	if s.left >= 0 {
		return 0
	}
	return time.Duration(float64(-s.left) / s.rate)
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
