package wasm

import "slices"

// Entries of tables cost eight bytes each in every instance, and Go's linker leaves the first 4,096
// empty. A call through an entry that is empty traps as one through an entry that is not there does.
// So where calls are all that a module does with its tables, these keep only what elements fill.

// mostUnused is how many entries a table may have before its first element: to take them away costs
// each call through it two instructions.
const mostUnused = 64

// span is the part of a table that elements fill.
type span struct{ from, to uint32 }

// tableSpans returns what each table can be cut to. It is nil where tables are to stay as they are:
// others may see them, code does more with them than call, or a segment does not fit.
func (m *Module) tableSpans() []span {
	if m.Imported(KindTable) > 0 || slices.ContainsFunc(m.Exports, func(e Export) bool { return e.Kind == KindTable }) {
		return nil
	}
	for _, s := range m.shapes {
		if s.uses&(usesTables|readsTables) != 0 {
			return nil
		}
	}
	spans := make([]span, len(m.Tables))
	for i := range spans {
		spans[i].from = m.Tables[i].Min
	}
	for i := range m.Elements {
		e := &m.Elements[i]
		if !e.active() {
			continue
		}
		offset, constant := e.Offset.i32()
		from, to := uint64(uint32(offset)), uint64(uint32(offset))+uint64(e.Count)
		if !constant || to > uint64(m.Tables[e.Table].Min) {
			return nil
		}
		s := &spans[e.Table]
		s.from, s.to = min(s.from, uint32(from)), max(s.to, uint32(to))
	}
	for i := range spans {
		if s := &spans[i]; s.from < mostUnused || s.from > s.to {
			s.from = 0
		}
	}
	return spans
}

// TableBytes is about what the tables of one instance take when it starts: eight bytes for each entry,
// and 40 for each function that is put into one.
func (m *Module) TableBytes() int64 {
	bytes := int64(0)
	for _, t := range m.Tables {
		bytes += 8 * int64(t.Min)
	}
	for i := range m.Elements {
		if m.Elements[i].active() {
			bytes += 40 * int64(m.Elements[i].Count)
		}
	}
	return bytes
}

// trim cuts the tables of the module that is made.
func (r *rewriter) trim() {
	if r.spans == nil {
		return
	}
	r.out.Tables = slices.Clone(r.in.Tables)
	for i, s := range r.spans {
		r.out.Tables[i].Min = s.to - s.from
	}
	for i := range r.out.Elements {
		e := &r.out.Elements[i]
		if e.active() {
			offset, _ := e.Offset.i32()
			e.Offset = append(appendSigned(Expr{opI32Const}, int64(offset-int32(r.spans[e.Table].from))), opEnd)
		}
	}
}

// shifted takes from the index of a call through a table what the table has lost. Below that it
// wraps around to where no entry is.
func (b *bodyRewriter) shifted(table uint32) {
	if b.spans == nil || b.spans[table].from == 0 {
		return
	}
	b.constant(opI32Const, int64(int32(b.spans[table].from)))
	b.ops(opI32Sub)
}
