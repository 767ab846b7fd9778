package wire

// view is a ring as it was at one moment, for writing without its lock.
type view struct {
	ring   *Ring
	segs   []*segment
	begin  uint64 // number of the first byte
	head   uint64 // and of the one behind the last
	frames uint64
	told   Cursor // behind the last frame
	at     Cursor
	ended  bool
	why    error

	// What a viewer at pos lacks; the next one mostly lacks the same.
	pos     uint64
	bufs    [][]byte
	lacking uint64 // frames
}

// look takes a new view of a ring.
func (v *view) look(r *Ring) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(v.segs)
	v.ring = r
	v.segs = append(v.segs[:0], r.segs...)
	v.begin, v.head, v.frames = r.begin(), r.head, r.frames
	v.told, v.at, v.ended, v.why = r.told, r.at, r.ended, r.why
	v.pos, v.bufs, v.lacking = v.head, v.bufs[:0], 0
}

// drop lets go of what was looked at, which may be gone from the ring since.
func (v *view) drop() {
	if v.ring == nil {
		return
	}
	clear(v.segs[:cap(v.segs)])
	clear(v.bufs[:cap(v.bufs)])
	v.ring, v.segs, v.bufs = nil, v.segs[:0], v.bufs[:0]
}

// behind is all that lies between pos and the head, and the number of its frames.
func (v *view) behind(pos uint64) (bufs [][]byte, frames uint64) {
	if pos == v.pos {
		return v.bufs, v.lacking
	}
	i := v.segment(pos)
	v.pos, v.bufs = pos, v.bufs[:0]
	for from := pos; i < len(v.segs); i++ {
		to := v.head
		if i+1 < len(v.segs) {
			to = v.segs[i+1].start
		}
		v.bufs = append(v.bufs, v.segs[i].mem[from-v.segs[i].start:to-v.segs[i].start])
		from = to
	}
	v.lacking = v.frames - v.ordinal(pos)
	return v.bufs, v.lacking
}

// segment is the index of the one that has the byte at pos, which must lie before the head.
func (v *view) segment(pos uint64) int {
	i := len(v.segs) - 1
	for v.segs[i].start > pos {
		i--
	}
	return i
}

// ordinal is the number of the frame that has the byte at pos, likewise.
func (v *view) ordinal(pos uint64) uint64 {
	v.ring.mu.Lock()
	defer v.ring.mu.Unlock()
	s := v.segs[v.segment(pos)]
	return s.first + uint64(s.holding(int(pos-s.start)))
}

// settle tells where a viewer is that was sent what lies before pos: the frame that has the byte
// before pos, its segment, and its number there.
func (v *view) settle(pos uint64) (m mark, s *segment, i int) {
	v.ring.mu.Lock()
	defer v.ring.mu.Unlock()
	s = v.segs[v.segment(pos-1)]
	i = s.holding(int(pos-s.start) - 1)
	return s.marks[i], s, i
}
