package wasm

import "slices"

// renumber gives functions their new indices wherever they are named outside of code.
func (r *rewriter) renumber() {
	out := r.out
	out.Exports = slices.Clone(r.in.Exports)
	for i, e := range out.Exports {
		if e.Kind == KindFunction {
			out.Exports[i].Index = r.shift(e.Index)
		}
	}
	if out.Start != nil {
		start := r.shift(*out.Start)
		out.Start = &start
	}
	out.Elements = slices.Clone(r.in.Elements)
	for i := range out.Elements {
		r.element(&out.Elements[i])
	}
	out.Names = slices.Clone(r.in.Names)
	for i, n := range out.Names {
		out.Names[i].Function = r.shift(n.Function)
	}
}

func (r *rewriter) element(s *Element) {
	s.Offset = r.expr(s.Offset)
	in := reader{b: s.Init}
	b := make([]byte, 0, len(s.Init)+len(s.Init)/4)
	for range s.Count {
		if s.Flags&elementExprs != 0 {
			b = append(b, r.expr(in.expr())...)
		} else {
			b = appendU32(b, r.shift(in.u32()))
		}
	}
	s.Init = b
}

// expr gives the function that a constant expression refers to its new index.
func (r *rewriter) expr(x Expr) Expr {
	if len(x) == 0 || x[0] != opRefFunc {
		return x
	}
	_, function := x.item()
	return append(appendU32(Expr{opRefFunc}, r.shift(function)), opEnd)
}

// globals renumbers those that are there and adds the meter's own, which it exports.
func (r *rewriter) globals(c Metering) {
	out := r.out
	out.Globals = slices.Clone(r.in.Globals)
	for i := range out.Globals {
		out.Globals[i].Init = r.expr(out.Globals[i].Init)
	}
	out.Globals = append(out.Globals,
		Global{GlobalType{I64, true}, append(appendSigned([]byte{opI64Const}, c.Fuel), opEnd)},
		Global{GlobalType{I64, true}, append(appendSigned([]byte{opI64Const}, c.Depth), opEnd)})
	out.Exports = append(out.Exports,
		Export{FuelExport, KindGlobal, r.fuel},
		Export{DepthExport, KindGlobal, r.depth})
}
