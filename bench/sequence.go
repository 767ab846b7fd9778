package bench

// sequence follows one publisher's numbers at one viewer.
type sequence struct {
	next    uint64 // above all that were seen
	missing []span // below next and not seen, rising
}

// span is the numbers from first up to, and without, end.
type span struct{ first, end uint64 }

// maxSpans bounds what a viewer remembers of what it missed. Beyond it the oldest is given up: should
// it come after all, it counts as a repeat.
const maxSpans = 1024

// order is how a number comes in its sequence.
type order int

const (
	fresh    order = iota // above all before it
	late                  // after one that is above it
	repeated              // not for the first time
)

// see takes the next number.
func (s *sequence) see(n uint64) order {
	if n >= s.next {
		if n > s.next {
			s.miss(span{s.next, n})
		}
		s.next = n + 1
		return fresh
	}
	for i, m := range s.missing {
		if n >= m.first && n < m.end {
			s.fill(i, n)
			return late
		}
	}
	return repeated
}

func (s *sequence) miss(m span) {
	if len(s.missing) == maxSpans {
		s.missing = append(s.missing[:0], s.missing[1:]...)
	}
	s.missing = append(s.missing, m)
}

// fill takes n out of the i-th span.
func (s *sequence) fill(i int, n uint64) {
	m := s.missing[i]
	var left []span
	if m.first < n {
		left = append(left, span{m.first, n})
	}
	if n+1 < m.end {
		left = append(left, span{n + 1, m.end})
	}
	s.missing = append(s.missing[:i], append(left, s.missing[i+1:]...)...)
	if over := len(s.missing) - maxSpans; over > 0 {
		s.missing = s.missing[over:]
	}
}
