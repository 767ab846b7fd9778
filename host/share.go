package host

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/millrace/millrace/abi"
	"golang.org/x/time/rate"
)

// Share is what the callbacks that run on it may take together. Of the processors that is
// Config.CPUShare, with a second's worth in advance: a callback that finds it used up waits, and one
// that would wait longer than a second is stopped. Of storage it is Config.StoreBytes, with as much
// in advance. A Share is safe for concurrent use.
type Share struct {
	rate   float64 // processor time a time
	stored *rate.Limiter

	mu   sync.Mutex
	left time.Duration // below 0 is a debt
	at   time.Time
}

// longestWait is how long a guest waits for its share before it is stopped.
const longestWait = time.Second

// NewShare returns a full Share.
func (h *Host) NewShare() *Share {
	cpu, bytes := h.config.CPUShare, h.config.StoreBytes
	return &Share{rate: cpu, stored: rate.NewLimiter(rate.Limit(bytes), bytes), left: burst(cpu), at: time.Now()}
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

// store takes bytes that a callback has stored, and answers abi.Limit if that would be too many.
func (s *Share) store(bytes int) error {
	if s.stored.AllowN(time.Now(), bytes) {
		return nil
	}
	return abi.Limit
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
