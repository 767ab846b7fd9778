package wasm

// shape is what one pass over a body finds out about it.
type shape struct {
	locals       uint64 // parameters included
	instructions uint32
	blocks       uint32 // blocks, loops, ifs and elses
	nesting      uint32 // of blocks, at the most
	targets      uint32 // labels of all its br_table
	calls        uint32
	values       uint64 // that blocks take and give and branches carry
	uses         uses
}

// uses is a set of things that a body does.
type uses byte

const (
	usesBytes   uses = 1 << iota // bulk instructions on memory
	usesEntries                  // bulk instructions on tables, and growing them
	usesPages                    // memory.grow
	usesTables                   // writes to tables
	usesDrop                     // drops segments
)

// frame is a block that is open. The first of a body is the function itself.
type frame struct {
	op    opcode // opBlock for a function
	arity uint32 // of what a branch to it carries
}

// bodies walks through all bodies: it checks nesting and indices and keeps their shapes.
func (d *decoder) bodies() {
	m := d.m
	m.shapes = make([]shape, len(m.Bodies))
	w := bodyWalk{m: m}
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
	m     *Module
	shape *shape
	open  []frame
	it    *instructions
}

func (w *bodyWalk) body(t FuncType, b *Body) *SyntaxError {
	w.it = walk(b.Code)
	w.shape.locals = uint64(len(t.Params))
	for _, run := range b.Locals {
		w.shape.locals += uint64(run.Count)
	}
	if w.shape.locals > 1<<32-1 {
		w.it.fail("more locals than can be numbered")
	}
	w.open = append(w.open[:0], frame{opBlock, uint32(len(t.Results))})
	for w.it.next() {
		w.instruction(&w.it.in)
		if len(w.open) == 0 && w.it.left() > 0 {
			w.it.fail("code after the end of the function")
		}
	}
	if len(w.open) > 0 {
		w.it.fail("the function has no end")
	}
	return w.it.err
}

func (w *bodyWalk) instruction(in *instruction) {
	s := w.shape
	s.instructions++
	switch in.op {
	case opBlock, opLoop, opIf:
		w.enter(in)
	case opElse:
		s.blocks++
		if top := &w.open[len(w.open)-1]; top.op == opIf {
			top.op = opElse
		} else {
			w.it.failAt(in.start, "else without if")
		}
	case opEnd:
		w.open = w.open[:len(w.open)-1]
	case opBr, opBrIf:
		w.branch(in.index)
	case opBrTable:
		s.targets += in.index + 1
		w.it.targets(w.branch)
	case opCall:
		s.calls++
		w.index("function", in.index, w.m.functions())
	case opCallIndirect:
		s.calls++
		w.index("type", in.index, len(w.m.Types))
		w.index("table", in.second, w.m.tables())
	default:
		w.other(in)
	}
}

// enter opens a block.
func (w *bodyWalk) enter(in *instruction) {
	s := w.shape
	params, results := w.m.arity(in)
	if in.index != noType {
		w.index("type", in.index, len(w.m.Types))
	}
	f := frame{in.op, uint32(results)}
	if in.op == opLoop {
		f.arity = uint32(params)
	}
	w.open = append(w.open, f)
	s.blocks++
	s.nesting = max(s.nesting, uint32(len(w.open)-1))
	s.values += uint64(params) + uint64(results)
}

// arity is what a block takes and gives. For a type that is not there it is nothing.
func (m *Module) arity(in *instruction) (params, results int) {
	switch {
	case in.index == noType:
		return 0, 1 // or none
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
	w.shape.values += uint64(w.open[len(w.open)-1-int(label)].arity)
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
		}
	case opGlobalGet, opGlobalSet:
		w.index("global", in.index, m.globals())
	case opRefFunc:
		w.index("function", in.index, m.functions())
	}
	s.uses |= usesOf(in.op)
}

func usesOf(op opcode) uses {
	switch op {
	case opMemoryInit, opMemoryCopy, opMemoryFill:
		return usesBytes
	case opMemoryGrow:
		return usesPages
	case opTableInit, opTableCopy, opTableGrow, opTableFill:
		return usesEntries | usesTables
	case opTableSet:
		return usesTables
	case opDataDrop, opElemDrop:
		return usesDrop
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
