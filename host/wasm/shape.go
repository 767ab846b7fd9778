package wasm

// shape is what one pass over a body finds out about it.
type shape struct {
	locals       uint64 // parameters included
	instructions uint32
	branches     uint32 // places where execution splits or joins: blocks and branches
	loops        uint32
	nesting      uint32 // of blocks, at the most
	targets      uint32 // labels of all its br_table
	calls        uint32
	operands     uint32 // on the stack, at the most
	values       uint64 // that blocks take and give and branches carry
	crossing     uint64 // locals that live across such places
	carried      uint64 // operands at each such place, added up
	uses         uses
}

// uses is a set of things that a body does.
type uses byte

const (
	usesMoves   uses = 1 << iota // memory.copy and memory.fill
	usesBytes                    // memory.init
	usesEntries                  // bulk instructions on tables, and growing them
	usesPages                    // memory.grow
	usesTables                   // writes to tables
	usesDrop                     // drops segments
	readsTables                  // reads their entries or their size, other than by calls
)

// frame is a block that is open. The first of a body is the function itself.
type frame struct {
	op              opcode // opBlock for a function
	params, results int
	base            int // operands below its own
}

// bodies walks through all bodies: it checks nesting and indices and keeps their shapes.
func (d *decoder) bodies() {
	m := d.m
	m.shapes = make([]shape, len(m.Bodies))
	w := bodyWalk{m: m, types: m.functionTypes(), it: &instructions{}}
	for i := range m.Bodies {
		w.shape = &m.shapes[i]
		if err := w.body(m.Types[m.Functions[i]], &m.Bodies[i]); err != nil {
			err.Offset += m.Bodies[i].offset
			d.err = err
			return
		}
	}
}

// bodyWalk is the walk through one body after the other.
type bodyWalk struct {
	m      *Module
	types  []uint32 // of all functions
	shape  *shape
	open   []frame
	it     *instructions
	locals localLives
	stack  int // operands; too many rather than too few where the code is not valid or never executed
}

func (w *bodyWalk) body(t FuncType, b *Body) *SyntaxError {
	*w.it = instructions{reader: reader{b: b.Code}}
	w.shape.locals = uint64(len(t.Params))
	for _, run := range b.Locals {
		w.shape.locals += uint64(run.Count)
	}
	if w.shape.locals > 1<<32-1 {
		w.it.fail("more locals than can be numbered")
	}
	w.open = append(w.open[:0], frame{op: opBlock, results: len(t.Results)})
	w.stack = 0
	w.locals.reset(len(t.Params), w.shape.locals)
	for w.it.next() {
		w.instruction(&w.it.in)
		if len(w.open) == 0 && w.it.left() > 0 {
			w.it.fail("code after the end of the function")
		}
	}
	if len(w.open) > 0 {
		w.it.fail("the function has no end")
	}
	w.shape.crossing = w.locals.crossing
	return w.it.err
}

func (w *bodyWalk) instruction(in *instruction) {
	w.shape.instructions++
	switch in.op {
	case opBlock, opLoop, opIf:
		w.enter(in)
	case opElse, opEnd:
		w.leave(in)
	case opBr, opBrIf:
		if in.op == opBrIf {
			w.push(-1)
		}
		w.branch(in.index)
		w.split()
	case opBrTable:
		w.push(-1)
		w.shape.targets += in.index + 1
		w.it.targets(w.branch)
		w.split()
	case opCall, opCallIndirect:
		w.call(in)
	default:
		w.push(delta(in.op))
		w.other(in)
	}
}

func (w *bodyWalk) push(n int) {
	w.stack = max(w.stack+n, w.open[len(w.open)-1].base)
	w.shape.operands = max(w.shape.operands, uint32(w.stack))
}

// split notes that execution splits or joins here.
func (w *bodyWalk) split() {
	w.shape.branches++
	w.shape.carried += uint64(w.stack)
}

// enter opens a block.
func (w *bodyWalk) enter(in *instruction) {
	if in.op == opIf {
		w.push(-1)
	}
	f := frame{op: in.op}
	f.params, f.results = w.m.arity(in)
	if in.index < valueType {
		w.index("type", in.index, len(w.m.Types))
	}
	f.base = max(w.stack-f.params, w.open[len(w.open)-1].base)
	w.open = append(w.open, f)
	if in.op == opLoop {
		w.shape.loops++
	}
	w.shape.nesting = max(w.shape.nesting, uint32(len(w.open)-1))
	w.shape.values += uint64(f.params) + uint64(f.results)
	w.split()
}

// leave ends a block, or the first part of an if.
func (w *bodyWalk) leave(in *instruction) {
	top := &w.open[len(w.open)-1]
	if in.op == opEnd {
		w.open = w.open[:len(w.open)-1]
		if w.stack = top.base; len(w.open) > 0 {
			w.push(top.results)
		}
		return
	}
	if top.op != opIf {
		w.it.failAt(in.start, "else without if")
	}
	top.op = opElse
	w.stack = top.base
	w.push(top.params)
	w.split()
}

func (w *bodyWalk) call(in *instruction) {
	m := w.m
	w.shape.calls++
	if in.op == opCallIndirect {
		w.push(-1)
		w.index("type", in.index, len(m.Types))
		w.index("table", in.second, m.tables())
	} else {
		w.index("function", in.index, m.functions())
	}
	if w.it.err != nil {
		return
	}
	t := in.index
	if in.op == opCall {
		t = w.types[in.index]
	}
	w.push(-len(m.Types[t].Params))
	w.push(len(m.Types[t].Results))
}

// arity is what a block takes and gives. For a type that is not there it is nothing.
func (m *Module) arity(in *instruction) (params, results int) {
	switch {
	case in.index == valueType:
		return 0, 1
	case int(in.index) < len(m.Types):
		t := m.Types[in.index]
		return len(t.Params), len(t.Results)
	}
	return 0, 0
}

func (w *bodyWalk) branch(label uint32) {
	if int(label) >= len(w.open) {
		w.it.fail("there is no label %d", label)
		return
	}
	f := w.open[len(w.open)-1-int(label)]
	if f.op == opLoop {
		w.shape.values += uint64(f.params)
	} else {
		w.shape.values += uint64(f.results)
	}
}

// other checks the indices of instructions that neither call nor branch.
func (w *bodyWalk) other(in *instruction) {
	m, s := w.m, w.shape
	switch in.op {
	case opMemoryInit, opDataDrop:
		w.index("data segment", in.index, m.announcedData())
	case opTableInit:
		w.index("element segment", in.index, len(m.Elements))
		w.index("table", in.second, m.tables())
	case opElemDrop:
		w.index("element segment", in.index, len(m.Elements))
	case opTableCopy:
		w.index("table", in.index, m.tables())
		w.index("table", in.second, m.tables())
	case opTableGrow, opTableFill, opTableSize, opTableGet, opTableSet:
		w.index("table", in.index, m.tables())
	case opLocalGet, opLocalSet, opLocalTee:
		if uint64(in.index) >= s.locals {
			w.it.fail("there is no local %d", in.index)
			return
		}
		w.locals.touch(in.index, s.branches, in.op == opLocalGet)
	case opGlobalGet, opGlobalSet:
		w.index("global", in.index, m.globals())
	case opRefFunc:
		w.index("function", in.index, m.functions())
	}
	s.uses |= usesOf(in.op)
}

func usesOf(op opcode) uses {
	switch op {
	case opMemoryCopy, opMemoryFill:
		return usesMoves
	case opMemoryInit:
		return usesBytes
	case opMemoryGrow:
		return usesPages
	case opTableInit, opTableCopy, opTableGrow, opTableFill:
		return usesEntries | usesTables
	case opTableSet:
		return usesTables
	case opDataDrop, opElemDrop:
		return usesDrop
	case opTableGet, opTableSize:
		return readsTables
	}
	return 0
}

// announcedData is the number of data segments that code may name.
func (m *Module) announcedData() int {
	if m.DataCount == nil {
		return 0
	}
	return int(*m.DataCount)
}

func (w *bodyWalk) index(of string, i uint32, n int) {
	if int(i) >= n {
		w.it.failAt(w.it.in.start, "there is no %s %d", of, i)
	}
}
