package wasm

import "slices"

// A table costs each instance 40 bytes and more for every function in it, and Go's linker puts all
// functions there. What a table says can be said by code as well, which instances share: a function
// with a br_table to a call of each. Calls through the table become calls of that function, and what
// is left in the table is for those that trap.

// switched is a function that calls through a table.
type switched struct {
	table uint32
	typ   uint32 // of what it calls, in the new module
}

// mostArms bounds the entries that one br_table leads to. Larger tables have several, and one before
// them.
const (
	mostArms = 1 << armBits
	armBits  = 12
)

// switchOf returns the function that stands for calls of a type through a table, which helpers makes.
// It needs r.tables.
func (r *rewriter) switchOf(typ, of uint32) uint32 {
	t := &r.tables[of]
	key := typeKey(r.in.Types[typ])
	function, ok := t.made[key]
	if !ok {
		function = r.firstSwitch + uint32(len(r.switches))
		t.made[key] = function
		r.switches = append(r.switches, switched{of, typ})
	}
	return function
}

// makeSwitches adds the functions that switchOf promised, and leaves in each table one function that
// no call can have meant.
func (r *rewriter) makeSwitches() {
	var parts []func()
	next := r.firstSwitch + uint32(len(r.switches))
	for _, s := range r.switches {
		t, all := r.in.Types[s.typ], &r.tables[s.table]
		taking := FuncType{Params: append(slices.Clone(t.Params), I32), Results: t.Results}
		if len(all.entries) <= mostArms {
			r.function(taking, r.arms(s, all.from, all.entries))
			continue
		}
		first := next
		for at := 0; at < len(all.entries); at += mostArms {
			next++
			parts = append(parts, func() {
				r.function(taking, r.arms(s, all.from+uint32(at), all.entries[at:min(at+mostArms, len(all.entries))]))
			})
		}
		r.function(taking, r.parts(s, all.from, first, next-first))
	}
	for _, part := range parts {
		part()
	}
}

// arms is the code that calls one of the entries, of which the first is at from.
func (r *rewriter) arms(s switched, from uint32, entries []entry) []byte {
	key := typeKey(r.in.Types[s.typ])
	var functions []uint32
	arm := map[uint32]uint32{}
	for _, e := range entries {
		if _, ok := arm[e.function]; e.key == key && !ok {
			arm[e.function] = uint32(len(functions))
			functions = append(functions, e.function)
		}
	}
	other := uint32(len(functions)) // label of entries of another type
	missing := other + 1            // of those that are not there
	labels := make([]uint32, len(entries))
	for i, e := range entries {
		switch e.key {
		case key:
			labels[i] = arm[e.function]
		case "":
			labels[i] = missing
		default:
			labels[i] = other
		}
	}
	e := &emitter{rewriter: r}
	e.choose(s, from, 0, labels, missing)
	for _, f := range functions {
		e.ops(opEnd)
		e.arguments(s)
		e.call(r.shift(f))
		e.ops(opReturn)
	}
	e.ops(opEnd)
	e.trap(s, 0)
	e.ops(opEnd)
	e.trap(s, -1)
	e.ops(opEnd)
	return e.b
}

// parts is the code that calls one of n switches, of which the first is that function and starts with
// the entry at from.
func (r *rewriter) parts(s switched, from, first, n uint32) []byte {
	labels := make([]uint32, n)
	for i := range labels {
		labels[i] = uint32(i)
	}
	e := &emitter{rewriter: r}
	e.choose(s, from, armBits, labels, n)
	for i := range n {
		e.ops(opEnd)
		e.arguments(s)
		e.op(opLocalGet, s.index(r))
		e.call(first + i)
		e.ops(opReturn)
	}
	e.ops(opEnd)
	e.trap(s, -1)
	e.ops(opEnd)
	return e.b
}

// index is the parameter of the switch that says which entry to call.
func (s switched) index(r *rewriter) uint32 { return uint32(len(r.in.Types[s.typ].Params)) }

// choose opens blocks, one for each label up to rest, and leaves those that the label of the entry
// says, or rest where it is not among them.
func (e *emitter) choose(s switched, from, shift uint32, labels []uint32, rest uint32) {
	for range rest + 1 {
		e.ops(opBlock, emptyBlock)
	}
	e.op(opLocalGet, s.index(e.rewriter))
	e.constant(opI32Const, int64(int32(from)))
	e.ops(opI32Sub)
	if shift > 0 {
		e.constant(opI32Const, int64(shift))
		e.ops(opI32ShrU)
	}
	e.op(opBrTable, uint32(len(labels)))
	for _, l := range labels {
		e.b = appendU32(e.b, l)
	}
	e.b = appendU32(e.b, rest)
}

func (e *emitter) arguments(s switched) {
	for i := range s.index(e.rewriter) {
		e.op(opLocalGet, i)
	}
}

// trap is a call through what is left of the table, which traps as the call that was meant.
func (e *emitter) trap(s switched, index int64) {
	e.arguments(s)
	e.constant(opI32Const, index)
	e.op(opCallIndirect, s.typ)
	e.b = appendU32(e.b, s.table)
	e.ops(opReturn)
}

// clear leaves in each table one function, which has a type that no other has, so that no call can
// mean it. Segments go on to say which functions code may refer to.
func (r *rewriter) clear() {
	for i := range r.out.Elements {
		if e := &r.out.Elements[i]; e.active() {
			e.Flags |= elementNotActive | elementExplicit
			e.Table, e.Offset = 0, nil
		}
	}
	stranger := FuncType{}
	for known := true; known; _, known = r.types[typeKey(stranger)] {
		stranger.Params = append(stranger.Params, I32)
	}
	function := uint32(r.out.functions())
	r.function(stranger, []byte{opUnreachable, opEnd})
	r.out.Tables = slices.Clone(r.in.Tables)
	for i := range r.out.Tables {
		t := &r.out.Tables[i]
		t.Min, t.Max = 1, max(t.Max, 1)
		r.out.Elements = append(r.out.Elements, Element{
			Flags: elementExplicit, Table: uint32(i), Offset: Expr{opI32Const, 0, opEnd}, Count: 1, Init: appendU32(nil, function),
		})
	}
}
