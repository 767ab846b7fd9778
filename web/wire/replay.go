package wire

import (
	"context"
	"slices"
	"sync"
)

// replay is who waits for a ring's history. It is read one batch at a time, for whoever has waited
// longest, and given to all who find their place in it. How fast a viewer takes a batch is nothing to
// the next.
type replay struct {
	mu      sync.Mutex
	waiting []waiter
	busy    bool // somebody reads
}

type waiter struct {
	v    *Viewer
	at   Cursor
	want int // bytes
}

// ask has a viewer given the batch behind at, by Viewer.give. If it has to be read it will have want
// bytes, or firstBatchBytes if that is 0.
func (r *Ring) ask(v *Viewer, at Cursor, want int) {
	if b := r.w.shelf.find(r, at); b != nil {
		v.give(b, nil)
		return
	}
	p := &r.replay
	p.mu.Lock()
	p.waiting = append(p.waiting, waiter{v, at, max(want, firstBatchBytes)})
	start := !p.busy
	p.busy = true
	p.mu.Unlock()
	if start && !r.w.start(r.readHistory) {
		r.replay.takeAll(ErrDraining)
	}
}

// readHistory reads until nobody waits.
func (r *Ring) readHistory(ctx context.Context) {
	for {
		w, ok := r.replay.next()
		if !ok {
			return
		}
		b, err := r.w.shelf.find(r, w.at), error(nil)
		if b == nil {
			if b, err = r.fetch(ctx, w.at, w.want); err == nil {
				r.w.shelf.put(r, b)
			}
		}
		r.replay.serve(w.at, b, err)
	}
}

// next is who has waited longest and still does; ok is false, and nobody reads any more, if there is
// none.
func (p *replay) next() (w waiter, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(w waiter) bool { return w.v.gone() })
	if len(p.waiting) == 0 {
		p.waiting, p.busy = nil, false
		return waiter{}, false
	}
	return p.waiting[0], true
}

// serve gives b to all who are within it, or the error to all who wait at the place that it is about.
func (p *replay) serve(at Cursor, b *Batch, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(w waiter) bool {
		mine := w.at == at || err == nil && b.has(w.at)
		if mine {
			w.v.give(b, err)
		}
		return mine
	})
}

func (p *replay) takeAll(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.waiting {
		w.v.give(nil, err)
	}
	p.waiting, p.busy = nil, false
}
