package web

import "sync/atomic"

// room counts what there may be most of at a time.
type room struct {
	most  int64
	taken atomic.Int64
}

// enter takes a place, which leave gives back; false if there is none.
func (r *room) enter() bool {
	if r.taken.Add(1) <= r.most {
		return true
	}
	r.taken.Add(-1)
	return false
}

func (r *room) leave() { r.taken.Add(-1) }
