package wasm

// expr reads a constant expression: one constant instruction and the end.
func (r *reader) expr() Expr {
	from := r.at
	r.exprItem()
	if r.err != nil {
		return nil
	}
	return Expr(r.b[from:r.at:r.at])
}

// exprItem reads a constant expression. The index is that of a global or function, if it has one.
func (r *reader) exprItem() (op byte, index uint32) {
	start := r.at
	switch op = r.byte(); op {
	case opI32Const:
		r.signed(32)
	case opI64Const:
		r.signed(64)
	case opF32Const:
		r.take(4)
	case opF64Const:
		r.take(8)
	case opGlobalGet, opRefFunc:
		index = r.u32()
	case opRefNull:
		r.refType()
	case prefixVector:
		if r.u32() != vectorConst {
			r.failAt(start, "a vector instruction in a constant expression")
		}
		r.take(16)
	default:
		r.failAt(start, "instruction %#x in a constant expression", op)
	}
	if end := r.byte(); end != opEnd {
		r.fail("a constant expression of more than one instruction")
	}
	return op, index
}

// item is what the expression consists of.
func (e Expr) item() (op byte, index uint32) {
	r := reader{b: e}
	return r.exprItem()
}
