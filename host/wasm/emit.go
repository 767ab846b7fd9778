package wasm

// emitter appends the instructions that metering adds.
type emitter struct {
	*rewriter
	b []byte
}

func (e *emitter) op(op byte, index uint32) { e.b = appendU32(append(e.b, op), index) }
func (e *emitter) ops(ops ...byte)          { e.b = append(e.b, ops...) }
func (e *emitter) call(function uint32)     { e.op(opCall, function) }

// constant appends opI32Const or opI64Const.
func (e *emitter) constant(op byte, v int64) { e.b = appendSigned(append(e.b, op), v) }

// charge takes cost from the fuel. It does not check what is left.
func (e *emitter) charge(cost uint32) {
	if cost == 0 {
		return
	}
	e.op(opGlobalGet, e.fuel)
	e.constant(opI64Const, int64(cost))
	e.ops(opI64Sub)
	e.op(opGlobalSet, e.fuel)
}

// check refills the fuel if it is below zero.
func (e *emitter) check() {
	e.op(opGlobalGet, e.fuel)
	e.callIfNegative(e.refill)
}

// callIfNegative calls a function if the i64 on the stack is below zero.
func (e *emitter) callIfNegative(function uint32) {
	e.constant(opI64Const, 0)
	e.ops(opI64LtS, opIf, emptyBlock)
	e.call(function)
	e.ops(opEnd)
}

const emptyBlock = 0x40
