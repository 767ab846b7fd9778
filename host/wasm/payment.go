package wasm

// payment is how instructions of one kind pay for an amount that only execution knows: a function
// takes it from the stack, pays and puts it back. It pays for most at most, as growing by more
// fails at once and cheaply.
type payment struct {
	uses  uses
	most  uint32 // 0 is no bound
	shift int64  // of the amount, to the left, or to the right where it is negative
}

// payments are the kinds. Their order is that of rewriter.pay.
var payments = [...]payment{
	{uses: usesBytes, shift: -4},
	{uses: usesEntries, most: 1 << 20},
	{uses: usesPages, most: 1 << 12, shift: 8},
}

// paymentOf is the index of the payment for an instruction, or -1.
func paymentOf(op opcode) int {
	does := usesOf(op)
	for i, p := range payments {
		if does&p.uses != 0 {
			return i
		}
	}
	return -1
}

// helpers adds the functions that metered code calls: the one that refills, and those that pay.
func (r *rewriter) helpers() {
	e := &emitter{rewriter: r}
	e.op(opGlobalGet, r.fuel)
	e.call(r.take)
	e.ops(opI64Add)
	e.op(opGlobalSet, r.fuel)
	e.ops(opEnd)
	r.function(FuncType{}, e.b)
	r.function(FuncType{}, r.guardCode())
	for _, p := range payments {
		if r.used&p.uses != 0 {
			r.function(FuncType{Params: []ValueType{I32}, Results: []ValueType{I32}}, r.payer(p))
		}
	}
	if r.used&usesMoves != 0 {
		for _, op := range []opcode{opMemoryCopy, opMemoryFill} {
			r.function(FuncType{Params: []ValueType{I32, I32, I32}}, r.mover(op))
		}
	}
}

// guardCode is what is called where calls are too many or the fuel has run out.
func (r *rewriter) guardCode() []byte {
	e := &emitter{rewriter: r}
	e.op(opGlobalGet, r.depth)
	e.constant(opI64Const, 0)
	e.ops(opI64LtS, opIf, emptyBlock)
	e.call(r.overflow)
	e.ops(opUnreachable, opEnd)
	e.check()
	e.ops(opEnd)
	return e.b
}

func (r *rewriter) function(t FuncType, code []byte) {
	r.out.Functions = append(r.out.Functions, r.typ(t))
	r.out.Bodies = append(r.out.Bodies, Body{Code: code})
}

func (r *rewriter) payer(p payment) []byte {
	e := &emitter{rewriter: r}
	e.op(opGlobalGet, r.fuel)
	e.op(opLocalGet, 0)
	if p.most > 0 {
		e.constant(opI32Const, int64(p.most))
		e.op(opLocalGet, 0)
		e.constant(opI32Const, int64(p.most))
		e.ops(opI32LtU, opSelect)
	}
	e.ops(opI64ExtendU)
	e.constant(opI64Const, max(p.shift, -p.shift))
	if p.shift < 0 {
		e.ops(opI64ShrU)
	} else {
		e.ops(opI64Shl)
	}
	e.ops(opI64Sub)
	e.op(opGlobalSet, r.fuel)
	e.check()
	e.op(opLocalGet, 0)
	e.ops(opEnd)
	return e.b
}
