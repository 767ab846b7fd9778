package wasm

// bodies rewrites the code of all functions, and decides where they check their fuel. To pay costs
// little, to check costs more, as the compiler has to save what it holds in registers for the case
// that the check calls the host. So a body checks only where it has to:
//
//   - before each branch back to a loop,
//   - before each call that recursion could go through: indirect ones, and direct ones of a function
//     that does not come earlier in the module. These count the depth, too,
//   - before a call of an earlier function, if the calls since the last check could have executed too
//     much together.
func (r *rewriter) bodies() error {
	r.out.Bodies = make([]Body, len(r.in.Bodies))
	r.unchecked = make([]uint32, len(r.in.Bodies))
	for i, b := range r.in.Bodies {
		code, err := r.body(uint32(i), b.Code)
		if err != nil {
			return err
		}
		r.out.Bodies[i] = Body{Locals: b.Locals, Code: code}
	}
	return nil
}

// bodyRewriter rewrites one body.
type bodyRewriter struct {
	emitter
	code   []byte
	copied int    // of code
	own    uint32 // index among the functions of the module's own
	way    stretch
	long   bool // calls that recursion goes through are followed by a check, too
}

func (r *rewriter) body(own uint32, code []byte) ([]byte, error) {
	charges := r.planner.plan(code)
	b := &bodyRewriter{emitter: emitter{rewriter: r, b: r.code[:0]}, code: code, own: own}
	count := r.in.shapes[own].instructions
	b.long = count > wholeLevel
	b.way.begin(count)
	it := walk(code)
	for next := 0; it.next(); {
		for ; next < len(charges) && charges[next].at == it.in.start; next++ {
			b.upTo(it.in.start)
			b.charge(charges[next].cost)
		}
		b.instruction(it)
		b.way.instruction(it)
	}
	if it.err != nil {
		return nil, it.err
	}
	b.upTo(len(code))
	r.code = b.b
	r.unchecked[own] = min(b.way.since, longestUnchecked)
	return append([]byte(nil), b.b...), nil
}

// upTo copies the code up to an offset.
func (b *bodyRewriter) upTo(at int) {
	b.b = append(b.b, b.code[b.copied:at]...)
	b.copied = at
}

func (b *bodyRewriter) instruction(it *instructions) {
	in := &it.in
	switch in.op {
	case opBr, opBrIf:
		if b.way.isLoop(in.index) {
			b.upTo(in.start)
			b.check()
		}
	case opBrTable:
		back := false
		it.targets(func(label uint32) { back = back || b.way.isLoop(label) })
		if back {
			b.upTo(in.start)
			b.check()
		}
	case opCall:
		b.directCall(in)
	case opCallIndirect:
		b.indirectCall(in)
	case opRefFunc:
		b.renumbered(in)
	case opMemoryCopy, opMemoryFill:
		b.upTo(in.start)
		b.call(b.moverOf(in.op))
		b.copied = in.end
	default:
		if p := paymentOf(in.op); p >= 0 {
			b.upTo(in.start)
			b.call(b.pay[p])
		}
	}
}

func (b *bodyRewriter) directCall(in *instruction) {
	callee := in.index - b.imported
	switch {
	case in.index < b.imported:
		b.renumbered(in)
	case callee >= b.own:
		b.upTo(in.start)
		b.enter()
		b.renumbered(in)
		b.leave()
	default:
		if b.way.calls(b.unchecked[callee]) {
			b.upTo(in.start)
			b.check()
		}
		b.renumbered(in)
	}
}

func (b *bodyRewriter) indirectCall(in *instruction) {
	b.upTo(in.start)
	if b.tables == nil {
		b.shifted(in.second)
	}
	b.enter()
	if b.tables != nil {
		b.call(b.switchOf(in.index, in.second))
		b.copied = in.end
	}
	b.upTo(in.end)
	b.leave()
}

// renumbered copies an instruction that names a function.
func (b *bodyRewriter) renumbered(in *instruction) {
	b.upTo(in.immediate)
	b.b = appendU32(b.b, b.shift(in.index))
	b.copied = in.end
}

// enter counts a call and checks the fuel.
func (b *bodyRewriter) enter() {
	b.op(opGlobalGet, b.depth)
	b.constant(opI64Const, 1)
	b.ops(opI64Sub)
	b.op(opGlobalSet, b.depth)
	b.op(opGlobalGet, b.depth)
	b.op(opGlobalGet, b.fuel)
	b.ops(opI64Or) // below zero if one of them is
	b.callIfNegative(b.guard)
}

// leave counts a call's end. Its results are on the stack. Where much may follow, the fuel is checked
// again: a deep recursion could otherwise return without a check.
func (b *bodyRewriter) leave() {
	b.op(opGlobalGet, b.depth)
	b.constant(opI64Const, 1)
	b.ops(opI64Add)
	b.op(opGlobalSet, b.depth)
	if b.long {
		b.check()
	}
	b.way.returned()
}
