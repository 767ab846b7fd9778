package wasm

// A memory.copy or memory.fill of many bytes is one instruction that nothing can interrupt, and where
// the memory was not touched before it takes as long as thousands of page faults. Functions that the
// module calls in its place do the work in pieces and check the fuel between.
const (
	wholeMove = 4096    // bytes from which on each byte costs one unit of fuel
	movePiece = 1 << 16 // bytes moved without a check, at the most
)

// moverOf is the function that stands for op.
func (r *rewriter) moverOf(op opcode) uint32 {
	if op == opMemoryCopy {
		return r.moves
	}
	return r.moves + 1
}

// mover is the body of a function (to, from or value, count) -> () that does what op does.
func (r *rewriter) mover(op opcode) []byte {
	const to, from, count = 0, 1, 2
	e := &emitter{rewriter: r}
	all := func() {
		e.gets(to, from, count)
		e.move(op)
	}

	e.gets(count)
	e.constant(opI32Const, wholeMove)
	e.ops(opI32LtU, opIf, emptyBlock)
	e.payBytes(count, 4)
	all()
	e.ops(opReturn, opEnd)

	e.outside(to, count)
	if op == opMemoryCopy {
		e.outside(from, count)
		e.ops(opI32Or)
	}
	e.ops(opIf, emptyBlock)
	all() // which traps and has moved nothing
	e.ops(opReturn, opEnd)

	e.ops(opBlock, emptyBlock, opLoop, emptyBlock)
	e.gets(count)
	e.constant(opI32Const, movePiece)
	e.ops(opI32LeU)
	e.op(opBrIf, 1)
	e.grow(count, opI32Sub)
	if op == opMemoryCopy { // what overlaps is copied from its end
		e.gets(from, to)
		e.ops(opI32LtU, opIf, emptyBlock)
		e.gets(to, count)
		e.ops(opI32Add)
		e.gets(from, count)
		e.ops(opI32Add)
		e.constant(opI32Const, movePiece)
		e.move(op)
		e.ops(opElse)
	}
	e.gets(to, from)
	e.constant(opI32Const, movePiece)
	e.move(op)
	e.grow(to, opI32Add)
	if op == opMemoryCopy {
		e.grow(from, opI32Add)
		e.ops(opEnd)
	}
	e.charge(movePiece)
	e.check()
	e.op(opBr, 0)
	e.ops(opEnd, opEnd)

	e.payBytes(count, 0)
	all()
	e.ops(opEnd)
	return e.b
}

func (e *emitter) gets(locals ...uint32) {
	for _, local := range locals {
		e.op(opLocalGet, local)
	}
}

// grow makes a local larger or smaller by a piece.
func (e *emitter) grow(local uint32, how byte) {
	e.gets(local)
	e.constant(opI32Const, movePiece)
	e.ops(how)
	e.op(opLocalSet, local)
}

// move appends memory.copy or memory.fill.
func (e *emitter) move(op opcode) {
	e.ops(prefixMisc, byte(op), 0)
	if op == opMemoryCopy {
		e.ops(0)
	}
}

// outside puts 1 on the stack if so many bytes from an address on reach beyond the memory, else 0.
func (e *emitter) outside(address, count uint32) {
	e.gets(address)
	e.ops(opI64ExtendU)
	e.gets(count)
	e.ops(opI64ExtendU, opI64Add)
	e.ops(opMemorySize, 0, opI64ExtendU)
	e.constant(opI64Const, 16)
	e.ops(opI64Shl, opI64GtU)
}

// payBytes pays for a number of bytes, shifted to the right, and checks what is left.
func (e *emitter) payBytes(count uint32, shift int64) {
	e.op(opGlobalGet, e.fuel)
	e.gets(count)
	e.ops(opI64ExtendU)
	e.constant(opI64Const, shift)
	e.ops(opI64ShrU, opI64Sub)
	e.op(opGlobalSet, e.fuel)
	e.check()
}
