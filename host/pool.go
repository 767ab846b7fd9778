package host

import (
	"context"
	"slices"
	"sync"
)

// pool lends out the instances of one plugin, each to one call at a time. The one used last comes
// first: its memory is in the processor's caches.
type pool struct {
	mu      sync.Mutex
	free    int             // calls that may begin
	idle    []*instance     // no more than the calls that may begin
	waiting []chan struct{} // calls; each is closed when its turn has come
	closed  bool

	remembers bool // idle instances hold what the next call needs
}

// take waits for a turn until ctx ends. It returns an idle instance, or nil if there is none. The
// turn is given back by put.
func (p *pool) take(ctx context.Context) (*instance, error) {
	p.mu.Lock()
	if p.free == 0 {
		turn := make(chan struct{})
		p.waiting = append(p.waiting, turn)
		p.mu.Unlock()
		if err := p.wait(ctx, turn); err != nil {
			return nil, err
		}
		p.mu.Lock()
	} else {
		p.free--
	}
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil, nil
	}
	i := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return i, nil
}

// wait waits until the turn has come. One that came while ctx ended goes to the next.
func (p *pool) wait(ctx context.Context, turn chan struct{}) error {
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, turn); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	} else {
		p.pass()
	}
	return ctx.Err()
}

// put ends a turn. It keeps i, which may be nil, for the next, unless the pool is closed.
func (p *pool) put(i *instance) (kept bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass()
	if i == nil || p.closed {
		return false
	}
	p.idle = append(p.idle, i)
	return true
}

// remember keeps idle instances from being drained from now on.
func (p *pool) remember() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remembers = true
}

// spare returns how many instances drain would take.
func (p *pool) spare() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.remembers {
		return 0
	}
	return len(p.idle)
}

// drain takes all idle instances out of the pool, unless they are to be remembered. They are the
// caller's now.
func (p *pool) drain() []*instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.remembers {
		return nil
	}
	idle := p.idle
	p.idle = nil
	return idle
}

// evict takes an instance out of the pool. It tells whether it was there, and is the caller's now.
func (p *pool) evict(i *instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.idle, i)
	if at < 0 {
		return false
	}
	p.idle = slices.Delete(p.idle, at, at+1)
	return true
}

// pass gives a turn to who waits for it longest. It needs mu.
func (p *pool) pass() {
	if len(p.waiting) == 0 {
		p.free++
		return
	}
	close(p.waiting[0])
	p.waiting = slices.Delete(p.waiting, 0, 1)
}

// close returns the idle instances. There will be none any more.
func (p *pool) close() []*instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle
	p.idle, p.closed = nil, true
	return idle
}
