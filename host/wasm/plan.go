package wasm

const (
	// longestRegion bounds the instructions that one charge pays for. A charge counts what follows in
	// the code, so a longer region charges more for what a branch skips, and a shorter one charges
	// more often.
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
// A charge pays for all instructions between it and the next one in the code. The first is at the
// function's start. Every loop's header has one, and so has what follows it. Where a branch forward
// leads past a charge it leads to another one: each end (or else) of a block that holds a charge is
// followed by one. So whatever way execution takes, each instruction it comes to has been paid for
// since the last branch backwards, and no call and no branch backwards is free. What a branch skips
// inside a region is paid for nevertheless.
//
// Two rules serve switches, which interpreters and Go's compiler are made of. After a br_table each
// arm pays for itself, as the region ends there. And where a loop begins with a br_table to arms
// inside the loop, the loop's header pays nothing and the arms pay for it.
type planner struct {
	charges []charge
	open    []planFrame
	loop    int  // the frame of the loop whose header the current region begins at, or -1
	arms    bool // a br_table came, the next end begins an arm
}

type planFrame struct {
	op      opcode
	charges int    // that there were when it began
	extra   uint32 // that a charge at its end pays for a loop's header
}

// plan returns the charges of a body in the order of the code. They are valid until the next call.
func (p *planner) plan(code []byte) []charge {
	p.charges = append(p.charges[:0], charge{})
	p.open = append(p.open[:0], planFrame{op: opBlock, charges: 1})
	p.loop, p.arms = -1, false
	for it := walk(code); it.next(); {
		p.instruction(it)
	}
	return p.charges
}

func (p *planner) instruction(it *instructions) {
	switch in := &it.in; in.op {
	case opLoop:
		p.begin(in.end, 0)
		p.loop = len(p.open)
		p.open = append(p.open, planFrame{op: opLoop, charges: len(p.charges) - 1})
	case opBlock:
		p.open = append(p.open, planFrame{op: opBlock, charges: len(p.charges)})
	case opIf:
		p.pay(in)
		p.open = append(p.open, planFrame{op: opIf, charges: len(p.charges)})
	case opElse, opEnd:
		p.end(in)
	case opBr, opBrIf, opReturn:
		p.pay(in)
		p.loop = -1
	case opBrTable:
		p.pay(in)
		p.arms = true
		p.dispatch(it)
	case opNop:
	default:
		p.pay(in)
	}
}

// begin begins a region at an offset of the code.
func (p *planner) begin(at int, cost uint32) {
	p.charges = append(p.charges, charge{at, cost})
	p.loop, p.arms = -1, false
}

// pay adds an instruction to the current region.
func (p *planner) pay(in *instruction) {
	last := &p.charges[len(p.charges)-1]
	if last.cost >= longestRegion {
		p.begin(in.start, 1)
		return
	}
	last.cost++
}

// end ends a block, or the first part of an if. The function's own end has nothing after it.
func (p *planner) end(in *instruction) {
	top := p.open[len(p.open)-1]
	if in.op == opEnd {
		p.open = p.open[:len(p.open)-1]
	} else {
		p.open[len(p.open)-1].op = opElse
	}
	if len(p.open) > 0 && (p.arms || len(p.charges) > top.charges) {
		p.begin(in.end, top.extra)
	}
}

// dispatch moves the charge of a loop's header to the arms of the br_table, if they are all ends of
// blocks inside the loop: each of them has a charge as the first one has.
func (p *planner) dispatch(it *instructions) {
	header := &p.charges[len(p.charges)-1]
	if p.loop < 0 || header.cost > longestDispatch {
		return
	}
	inside := uint32(len(p.open) - 1 - p.loop)
	moves := true
	it.targets(func(label uint32) { moves = moves && label < inside })
	if !moves {
		return
	}
	for i := p.loop + 1; i < len(p.open); i++ {
		p.open[i].extra += header.cost
	}
	header.cost = 0
	p.loop = -1
}
