package wire

import (
	"sync"
	"sync/atomic"
)

// rings are the node's, held to a bound in bytes together.
type rings struct {
	bound int64
	bytes atomic.Int64 // of all rings

	mu  sync.Mutex
	all map[*Ring]struct{}
}

func (rs *rings) add(r *Ring) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.all[r] = struct{}{}
}

func (rs *rings) remove(r *Ring) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.all, r)
}

// grew counts what one ring grew by. When all together are over the bound, those give way that have
// more than their share of it; viewers that lose their place to that go on in history.
func (rs *rings) grew(n int) {
	if rs.bytes.Add(int64(n)) <= rs.bound || n <= 0 {
		return
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	share := int(rs.bound) / max(len(rs.all), 1)
	for r := range rs.all {
		if rs.bytes.Load() <= rs.bound {
			return
		}
		rs.bytes.Add(-int64(r.giveWay(share)))
	}
}

// giveWay lets go of what is over a share, and returns how much that was.
func (r *Ring) giveWay(share int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.bytes
	r.shed(share, 0)
	return before - r.bytes
}
