package broker

import (
	"context"
	"sync"
)

// Rest makes the node let go of its keys and take none until it is called with false: other nodes take
// them, within two seconds or so. A node that rests counts for the majority, and keeps its copies.
func (b *Broker) Rest(on bool) {
	b.rest.take(on)
	b.loseKeys()
}

// rest is whether a node is to hold no keys.
type rest struct {
	mu    sync.Mutex
	on    bool
	moved chan struct{} // closed when on changes
}

func newRest() *rest { return &rest{moved: make(chan struct{})} }

func (r *rest) take(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.on == on {
		return
	}
	r.on = on
	close(r.moved)
	r.moved = make(chan struct{})
}

func (r *rest) taken() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.on
}

// wait returns once the node does not rest, or ctx's error.
func (r *rest) wait(ctx context.Context) error {
	for {
		r.mu.Lock()
		on, moved := r.on, r.moved
		r.mu.Unlock()
		if !on {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
