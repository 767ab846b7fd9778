package wire

import "math/bits"

// wheel holds the next time of each socket of a loop. Adding and taking out cost the same however
// many there are. Time is counted in ticks.
type wheel struct {
	now   uint64 // the last tick that was turned to
	slots [wheelSlots]*socket
	full  [wheelSlots / 64]uint64 // a bit for each slot that has sockets
}

const wheelSlots = 1024

// timed is a socket's place in the wheel.
type timed struct {
	due        uint64 // tick; 0 if it is not in the wheel
	prev, next *socket
}

// set has s come up at a tick, at the next one if that has passed. A tick that is farther away than
// the wheel reaches comes up early, and is set again.
func (w *wheel) set(s *socket, due uint64) {
	w.remove(s)
	due = min(max(due, w.now+1), w.now+wheelSlots-1)
	i := due % wheelSlots
	s.timed = timed{due: due, next: w.slots[i]}
	if s.timed.next != nil {
		s.timed.next.timed.prev = s
	}
	w.slots[i] = s
	w.full[i/64] |= 1 << (i % 64)
}

func (w *wheel) remove(s *socket) {
	if s.timed.due == 0 {
		return
	}
	i := s.timed.due % wheelSlots
	if s.timed.prev != nil {
		s.timed.prev.timed.next = s.timed.next
	} else {
		w.slots[i] = s.timed.next
	}
	if s.timed.next != nil {
		s.timed.next.timed.prev = s.timed.prev
	}
	if w.slots[i] == nil {
		w.full[i/64] &^= 1 << (i % 64)
	}
	s.timed = timed{}
}

// turn goes on to a tick and calls fire for all that come up, each out of the wheel then.
func (w *wheel) turn(to uint64, fire func(*socket)) {
	for w.now < to {
		next, ok := w.next()
		if !ok || next > to {
			w.now = to
			return
		}
		w.now = next
		for i := next % wheelSlots; w.slots[i] != nil; {
			s := w.slots[i]
			w.remove(s)
			fire(s)
		}
	}
}

// next is the next tick at which something comes up.
func (w *wheel) next() (tick uint64, ok bool) {
	first := w.now + 1
	for skip := uint64(0); skip < wheelSlots; {
		i := (first + skip) % wheelSlots
		if word := w.full[i/64] >> (i % 64); word != 0 {
			return first + skip + uint64(bits.TrailingZeros64(word)), true
		}
		skip += 64 - i%64
	}
	return 0, false
}
