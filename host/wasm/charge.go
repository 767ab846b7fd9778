package wasm

// bodies rewrites the code of all functions.
func (r *rewriter) bodies() error {
	r.out.Bodies = make([]Body, len(r.in.Bodies))
	for i, b := range r.in.Bodies {
		var results []ValueType
		counts := r.in.shapes[i].calls > 0
		if counts {
			results = r.in.Types[r.in.Functions[i]].Results
		}
		code, err := r.body(b.Code, counts, results)
		if err != nil {
			return err
		}
		r.out.Bodies[i] = Body{Locals: b.Locals, Code: code}
	}
	return nil
}

// body rewrites one body. Where calls are counted the code is put into a block, so that every way
// out leads to its end: a branch to the function's label leads there already, as the block has taken
// its number, and a return becomes a branch.
func (r *rewriter) body(code []byte, counts bool, results []ValueType) ([]byte, error) {
	charges := r.planner.plan(code)
	e := &emitter{rewriter: r, b: r.code[:0]}
	if counts {
		e.enter()
		e.block(results)
	}
	nesting, copied := uint32(0), 0
	it := walk(code)
	for next := 0; it.next(); {
		for ; next < len(charges) && charges[next].at == it.in.start; next++ {
			e.b = append(e.b, code[copied:it.in.start]...)
			copied = it.in.start
			e.charge(charges[next].cost)
		}
		switch it.in.op {
		case opBlock, opLoop, opIf:
			nesting++
		case opEnd:
			nesting--
		case opCall, opRefFunc:
			e.b = append(e.b, code[copied:it.in.immediate]...)
			e.b = appendU32(e.b, r.shift(it.in.index))
			copied = it.in.end
		case opReturn:
			if counts {
				e.b = append(append(e.b, code[copied:it.in.start]...), opBr)
				e.b = appendU32(e.b, nesting)
				copied = it.in.end
			}
		default:
			if p := paymentOf(it.in.op); p >= 0 {
				e.b = append(e.b, code[copied:it.in.start]...)
				e.call(r.pay[p])
				copied = it.in.start
			}
		}
	}
	if it.err != nil {
		return nil, it.err
	}
	e.b = append(e.b, code[copied:]...)
	if counts {
		e.leave()
	}
	r.code = e.b
	return append([]byte(nil), e.b...), nil
}

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

// charge takes cost from the fuel and refills it if none is left.
func (e *emitter) charge(cost uint32) {
	if cost == 0 {
		return
	}
	e.op(opGlobalGet, e.fuel)
	e.constant(opI64Const, int64(cost))
	e.ops(opI64Sub)
	e.settle()
}

// settle makes the number on the stack the fuel, and refills it if it is below zero.
func (e *emitter) settle() {
	e.op(opGlobalSet, e.fuel)
	e.op(opGlobalGet, e.fuel)
	e.constant(opI64Const, 0)
	e.ops(opI64LtS, opIf, emptyBlock)
	e.call(e.refill)
	e.ops(opEnd)
}

const emptyBlock = 0x40

// enter counts a call.
func (e *emitter) enter() {
	e.op(opGlobalGet, e.depth)
	e.constant(opI32Const, 1)
	e.ops(opI32Sub)
	e.op(opGlobalSet, e.depth)
	e.op(opGlobalGet, e.depth)
	e.constant(opI32Const, 0)
	e.ops(opI32LtS, opIf, emptyBlock)
	e.call(e.overflow)
	e.ops(opUnreachable, opEnd)
}

// leave counts a call's end. The results are on the stack.
func (e *emitter) leave() {
	e.op(opGlobalGet, e.depth)
	e.constant(opI32Const, 1)
	e.ops(opI32Add)
	e.op(opGlobalSet, e.depth)
	e.ops(opEnd)
}

// block opens a block that takes nothing and gives results.
func (e *emitter) block(results []ValueType) {
	switch len(results) {
	case 0:
		e.ops(opBlock, emptyBlock)
	case 1:
		e.ops(opBlock, byte(results[0]))
	default:
		e.ops(opBlock)
		e.b = appendSigned(e.b, int64(e.typ(FuncType{Results: results})))
	}
}
