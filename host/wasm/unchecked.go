package wasm

// longestUnchecked bounds the instructions between two checks of the fuel in calls that need none
// for their own sake.
const longestUnchecked = 100_000

// stretch follows how many instructions may have been executed in a body since the last check of the
// fuel, on whatever way execution came. A body's own instructions count as a whole at its beginning.
type stretch struct {
	since uint32
	open  []stretchFrame
}

type stretchFrame struct {
	loop   bool
	before uint32 // since, for the way past the first part of an if
	out    uint32 // the most since of all ways that lead to the end
}

func (s *stretch) begin(instructions uint32) {
	s.since = instructions
	s.open = append(s.open[:0], stretchFrame{})
}

func (s *stretch) instruction(it *instructions) {
	switch it.in.op {
	case opBlock, opLoop:
		s.open = append(s.open, stretchFrame{loop: it.in.op == opLoop})
	case opIf:
		s.open = append(s.open, stretchFrame{before: s.since})
	case opElse:
		top := &s.open[len(s.open)-1]
		top.out = max(top.out, s.since)
		s.since, top.before = top.before, 0
	case opEnd:
		top := s.open[len(s.open)-1]
		s.open = s.open[:len(s.open)-1]
		s.since = max(s.since, top.out, top.before)
	case opBrIf:
		s.branch(it.in.index)
	case opBr:
		s.branch(it.in.index)
		s.since = 0 // nobody comes to what follows
	case opBrTable:
		it.targets(s.branch)
		s.since = 0
	case opReturn:
		s.branch(uint32(len(s.open) - 1))
		s.since = 0
	case opUnreachable:
		s.since = 0
	}
}

// branch notes a branch. One back to a loop comes after a check.
func (s *stretch) branch(label uint32) {
	f := &s.open[len(s.open)-1-int(label)]
	f.out = max(f.out, s.since)
}

func (s *stretch) isLoop(label uint32) bool { return s.open[len(s.open)-1-int(label)].loop }

// calls notes a call that may execute so many instructions without a check. It tells whether a check
// must come before it.
func (s *stretch) calls(instructions uint32) (check bool) {
	check = s.since+instructions > longestUnchecked
	if check {
		s.since = 0
	}
	s.since += instructions
	return check
}

// returned notes the return of a call that recursion could go through. What may follow without a
// check is little then: it may follow at each return of a deep recursion.
func (s *stretch) returned() { s.since = longestUnchecked - wholeLevel }
