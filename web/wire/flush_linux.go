package wire

import (
	"slices"
	"time"
)

// copiedRest is how much of a frame a blocked viewer keeps as a copy. A larger rest stays where it
// lies, and is counted.
const copiedRest = 4 << 10

// news does what others want of a socket.
func (l *loop) news(s *socket) {
	if s.fd < 0 {
		return
	}
	if !s.joined {
		if err := l.join(s); err != nil {
			l.drop(s, ErrLeft)
			return
		}
	}
	n := s.v.read()
	if n.until != 0 && !s.ending {
		if s.until = l.tickOf(n.until); n.until <= time.Since(l.w.made) {
			s.end(n.why)
		}
		l.wheel.set(s, s.due())
	}
	switch g := n.given; {
	case g == nil:
	case g.err != nil:
		s.end(g.err)
	case s.mode == asked:
		l.sendBatch(s, g.batch)
	}
	l.flush(s)
}

// tickOf is the tick of a moment, rounded up, and never 0.
func (l *loop) tickOf(moment time.Duration) uint64 {
	return ticks(max(moment-l.start.Sub(l.w.made), 1))
}

// ticks is how many a duration takes.
func ticks(d time.Duration) uint64 { return uint64((d + tick - 1) / tick) }

// timer does what is due for a socket, and has it come up again.
func (l *loop) timer(s *socket) {
	now := l.wheel.now
	if s.until != 0 && now >= s.until {
		s.end(s.v.untilWhy())
	}
	if now >= s.next {
		s.next = now + s.period()
		if !l.bears(s) {
			l.drop(s, ErrSlow)
			return
		}
		if s.v.keepAlive > 0 && s.rest == nil && !s.blocked && !s.ending {
			s.rest = &remainder{bytes: appendChunk(nil, s.v.keepAliveBlock())}
		}
	}
	l.wheel.set(s, s.due())
	l.flush(s)
}

// bears tells whether a viewer takes bytes as it should, as far as the kernel is not to judge that.
func (l *loop) bears(s *socket) bool {
	patience := s.v.patience()
	if s.stuck && uint64(uint32(l.wheel.now)-s.since) >= ticks(patience) {
		return false
	}
	if !s.ours {
		if s.blocked {
			s.ours, s.quiet = true, 0
			_, s.acked = queue(int(s.fd))
			leave(int(s.fd), patience, true)
		}
		return true
	}
	waits, acked := queue(int(s.fd))
	if !waits {
		s.ours = false
		leave(int(s.fd), patience, false)
		return true
	}
	if s.quiet++; acked != s.acked {
		s.quiet, s.acked = 0, acked
	}
	return uint64(s.quiet)*s.period() < ticks(patience)
}

// flush sends what a viewer lacks until it has all or its socket takes no more.
func (l *loop) flush(s *socket) {
	for s.fd >= 0 && !s.blocked {
		switch {
		case s.rest != nil:
			l.sendRest(s)
		case s.closing:
			l.drop(s, s.why)
		case !l.sendMore(s):
			return
		}
	}
}

// sendMore sends what comes next, and returns false if that is nothing.
func (l *loop) sendMore(s *socket) bool {
	switch s.mode {
	case own:
		if l.takeBox(s) {
			return true
		}
	case ahead, behind:
		l.seek(s)
		fallthrough
	case live:
		if s.mode == live && l.sendRing(s) {
			return true
		}
	}
	if s.ending {
		l.lastWords(s)
		return true
	}
	if s.mode == behind {
		s.mode = asked
		s.v.ring.ask(s.v, s.v.at, int(s.want))
	}
	return false
}

// send writes, counts, and drops a socket that is gone. It returns how much was written.
func (l *loop) send(s *socket, bufs [][]byte) int {
	l.w.writes.Add(1)
	n, err := s.write(bufs)
	switch {
	case err != nil:
		l.drop(s, ErrLeft)
		return 0
	case n > 0:
		s.since, s.stuck = uint32(l.wheel.now), false
	case !s.stuck:
		s.since, s.stuck = uint32(l.wheel.now), true
	}
	return n
}

func (l *loop) sendRest(s *socket) {
	r := s.rest
	l.one[0] = r.bytes
	n := l.send(s, l.one[:])
	l.one[0] = nil
	if r.bytes = r.bytes[n:]; len(r.bytes) > 0 || s.fd < 0 {
		return
	}
	l.unpin(s)
	s.rest = nil
	if r.box != nil {
		s.v.box.wrote(r.box)
	}
	l.w.delivered.Add(uint64(r.frames))
}

func (l *loop) takeBox(s *socket) bool {
	b, buf, frames, ended := s.v.box.take(true)
	if ended {
		s.end(nil)
	}
	if len(b) > 0 {
		s.rest = &remainder{bytes: b, box: buf, frames: frames}
	}
	return len(b) > 0
}

// seek finds a viewer's place in its ring.
func (l *loop) seek(s *socket) {
	pos, isAhead, ok := s.v.ring.seek(s.v.at)
	switch {
	case !ok:
		s.mode = behind
	case isAhead:
		s.mode = ahead
		if ended, why := s.v.ring.over(); ended {
			s.end(why)
		}
	default:
		s.mode, s.pos, s.want = live, pos, 0
	}
}

// sendRing sends all that the viewer lacks of its ring.
func (l *loop) sendRing(s *socket) bool {
	v := &l.view
	if l.seen != s.v.ring {
		v.look(s.v.ring)
	}
	switch {
	case s.pos < v.begin:
		s.mode = behind
		return false
	case s.pos >= v.head:
		if v.ended {
			s.end(v.why)
		}
		return false
	}
	bufs, lacking := v.behind(s.pos)
	n := l.send(s, bufs)
	switch sent := s.pos + uint64(n); {
	case n == 0:
	case sent == v.head:
		s.pos, s.v.at = sent, v.told
		l.w.delivered.Add(lacking)
	default:
		m, seg, i := v.settle(sent)
		s.pos, s.v.at = seg.start+uint64(m.end), m.at
		whole := seg.first + uint64(i) + 1 - (v.frames - lacking)
		l.keep(s, seg, int(sent-seg.start), m.end, whole)
	}
	return true
}

// sendBatch sends what the viewer lacks of a batch, and finds its place behind that.
func (l *loop) sendBatch(s *socket, b *Batch) {
	s.mode = behind
	if s.blocked || s.rest != nil || s.ending {
		return
	}
	first := b.seg.after(s.v.at)
	from := b.seg.begin(first)
	if from < b.seg.used {
		l.one[0] = b.seg.mem[from:b.seg.used]
		n := l.send(s, l.one[:])
		l.one[0] = nil
		if n == 0 {
			return
		}
		if sent := from + n; sent < b.seg.used {
			i := b.seg.holding(sent - 1)
			s.v.at = b.seg.marks[i].at
			l.keep(s, &b.seg, sent, b.seg.marks[i].end, uint64(i-first)+1)
			if i+1 == len(b.seg.marks) {
				l.passBatch(s, b)
			}
			return
		}
		l.w.delivered.Add(uint64(len(b.seg.marks) - first))
	}
	l.passBatch(s, b)
	if s.mode == behind {
		l.seek(s)
	}
}

// passBatch notes that nothing of a batch follows but the rest, if there is one. Nothing at all
// follows one that ends the stream, whatever the ring has.
func (l *loop) passBatch(s *socket, b *Batch) {
	s.v.at, s.want = b.at, int32(nextWant(b.want))
	if b.ended {
		s.mode = asked
		s.end(b.why)
	}
}

// keep has the rest of a frame sent before anything else: what lies from offset to end in a segment.
// frames were sent, counting that one.
func (l *loop) keep(s *socket, seg *segment, offset, end int, frames uint64) {
	if offset == end {
		l.w.delivered.Add(frames)
		return
	}
	l.w.delivered.Add(frames - 1)
	s.rest = &remainder{bytes: seg.mem[offset:end], frames: 1}
	if end-offset <= copiedRest {
		s.rest.bytes = slices.Clone(s.rest.bytes)
		return
	}
	s.rest.pin = seg
	if seg.pins.Add(1) == 1 && l.w.held.Add(int64(len(seg.mem))) > int64(l.w.config.HeldBytes) {
		l.drop(s, ErrSlow)
	}
}

func (l *loop) unpin(s *socket) {
	if s.rest == nil || s.rest.pin == nil {
		return
	}
	if pin := s.rest.pin; pin.pins.Add(-1) == 0 {
		l.w.held.Add(-int64(len(pin.mem)))
	}
	s.rest.pin = nil
}

// lastWords ends the stream's bytes.
func (l *loop) lastWords(s *socket) {
	s.closing = true
	var b []byte
	if s.why != nil {
		b = appendChunk(b, l.w.config.LastWords(s.why))
	}
	s.rest = &remainder{bytes: append(b, lastChunk...)}
}
