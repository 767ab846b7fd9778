package wasm

const (
	// wholeLevel bounds the instructions of a loop, or of a function outside its loops, that one
	// charge at the beginning pays for.
	wholeLevel = 512
	// longestRegion bounds the instructions that one charge pays for in longer ones.
	longestRegion = 512
	// longestDispatch bounds the instructions between a loop's header and a br_table that hands the
	// header's charge on to its arms.
	longestDispatch = 16
)

// charge is a place in a body's code where cost is to be paid. A charge of nothing is left out.
type charge struct {
	at   int // offset in the code, before the instruction there
	cost uint32
}

// planner finds the places in bodies where they pay for the instructions that they execute.
//
// A function outside its loops is a level, and so is each loop outside the loops in it. Execution
// goes through a level forward only, and only once between two visits to its beginning. So one charge
// at the beginning pays for all of a level, what branches skip included: that is the way of levels
// that are not long. It is fast, and fuel is the bound of a time rather than its measure.
//
// In a long level, as those of interpreters are, that would be far too much. There a charge pays for
// the instructions of the level up to the next charge in the code. Where a branch forward leads past a
// charge it leads to another one: each end (or else) of a block that holds a charge of the level is
// followed by one. So whatever way execution takes, what it comes to has been paid for.
//
// Two rules serve the switches in long levels. After a br_table each arm pays for itself, as the
// region ends there. And where a loop begins with a br_table to arms inside the loop, the loop's
// header pays nothing and the arms pay for it.
type planner struct {
	costs   []uint32 // of each level in the order of their beginnings
	charges []charge
	open    []planFrame
	levels  []planLevel // that are open
	begun   int         // levels so far
}

// planLevel is a level that is open.
type planLevel struct {
	long   bool
	frame  int  // of its loop
	last   int  // its charge that pays at present
	count  int  // its charges so far
	header bool // the last charge is that of the header, and nothing has branched since
	arms   bool // a br_table came, the next end begins an arm
}

type planFrame struct {
	op    opcode
	count int    // charges of the level that there were when it began
	extra uint32 // that a charge at its end pays for a loop's header
}

// plan returns the charges of a body in the order of the code. They are valid until the next call.
func (p *planner) plan(code []byte) []charge {
	p.measure(code)
	p.charges, p.open, p.levels, p.begun = p.charges[:0], p.open[:0], p.levels[:0], 0
	p.enter(opBlock, 0)
	for it := walk(code); it.next(); {
		p.instruction(it)
	}
	return p.charges
}

// isFree tells which instructions do nothing when they are executed.
func isFree(op opcode) bool {
	switch op {
	case opNop, opBlock, opLoop, opElse, opEnd:
		return true
	}
	return false
}

// measure counts the instructions of each level.
func (p *planner) measure(code []byte) {
	p.costs = append(p.costs[:0], 0)
	p.open = append(p.open[:0], planFrame{})
	level := []int{0} // the open ones
	for it := walk(code); it.next(); {
		if !isFree(it.in.op) {
			p.costs[level[len(level)-1]]++
		}
		switch it.in.op {
		case opBlock, opIf, opLoop:
			p.open = append(p.open, planFrame{op: it.in.op})
			if it.in.op == opLoop {
				level = append(level, len(p.costs))
				p.costs = append(p.costs, 0)
			}
		case opEnd:
			if p.open[len(p.open)-1].op == opLoop {
				level = level[:len(level)-1]
			}
			p.open = p.open[:len(p.open)-1]
		}
	}
}

// enter begins a level at an offset of the code.
func (p *planner) enter(op opcode, at int) {
	cost := p.costs[p.begun]
	p.begun++
	level := planLevel{long: cost > wholeLevel, frame: len(p.open), last: len(p.charges), count: 1, header: true}
	if level.long {
		cost = 0
	}
	p.charges = append(p.charges, charge{at, cost})
	p.levels = append(p.levels, level)
	p.open = append(p.open, planFrame{op: op})
}

func (p *planner) instruction(it *instructions) {
	in := &it.in
	level := &p.levels[len(p.levels)-1]
	if level.long && !isFree(in.op) {
		p.pay(level, in.start)
	}
	switch in.op {
	case opLoop:
		p.enter(opLoop, in.end)
	case opBlock, opIf:
		p.open = append(p.open, planFrame{op: in.op, count: level.count})
	case opElse, opEnd:
		p.end(in)
	case opBr, opBrIf, opReturn:
		level.header = false
	case opBrTable:
		level.arms = true
		p.dispatch(level, it)
	}
}

// pay adds an instruction to what the level's last charge pays for.
func (p *planner) pay(level *planLevel, at int) {
	if p.charges[level.last].cost >= longestRegion {
		p.begin(level, at, 0)
	}
	p.charges[level.last].cost++
}

// begin adds a charge to a level.
func (p *planner) begin(level *planLevel, at int, cost uint32) {
	level.last = len(p.charges)
	level.count++
	level.header, level.arms = false, false
	p.charges = append(p.charges, charge{at, cost})
}

// end ends a block, or the first part of an if. A loop's end is reached from inside only, and goes
// on with the level around it.
func (p *planner) end(in *instruction) {
	top := p.open[len(p.open)-1]
	level := &p.levels[len(p.levels)-1]
	if in.op == opElse {
		p.open[len(p.open)-1].op = opElse
	} else if p.open = p.open[:len(p.open)-1]; level.frame == len(p.open) {
		p.levels = p.levels[:len(p.levels)-1]
		if len(p.levels) > 0 {
			p.levels[len(p.levels)-1].header = false // the loop may have branched
		}
		return
	}
	if level.long && (level.arms || level.count > top.count) {
		p.begin(level, in.end, top.extra)
	}
}

// dispatch moves the charge of a loop's header to the arms of the br_table, if they are all ends of
// blocks inside the loop: each of them has a charge as the first one has.
func (p *planner) dispatch(level *planLevel, it *instructions) {
	header := &p.charges[level.last]
	if !level.long || !level.header || header.cost > longestDispatch {
		return
	}
	inside := uint32(len(p.open) - 1 - level.frame)
	moves := true
	it.targets(func(label uint32) { moves = moves && label < inside })
	if !moves {
		return
	}
	for i := level.frame + 1; i < len(p.open); i++ {
		p.open[i].extra += header.cost
	}
	header.cost = 0
	level.header = false
}
