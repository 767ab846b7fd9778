package wasm

import "encoding/binary"

// Encode writes the module in the binary format, every number in the shortest way. Custom sections
// follow the others, the names of functions come last.
func (m *Module) Encode() []byte {
	e := &encoder{out: append(make([]byte, 0, m.size+m.size/4+len(header)), header...)}
	list(e, sectionType, m.Types, e.funcType)
	list(e, sectionImport, m.Imports, e.importItem)
	list(e, sectionFunction, m.Functions, e.u32)
	list(e, sectionTable, m.Tables, e.table)
	list(e, sectionMemory, m.Memories, e.limits)
	list(e, sectionGlobal, m.Globals, e.global)
	list(e, sectionExport, m.Exports, e.export)
	if m.Start != nil {
		e.section(sectionStart, func() { e.u32(*m.Start) })
	}
	list(e, sectionElement, m.Elements, e.element)
	if m.DataCount != nil {
		e.section(sectionDataCount, func() { e.u32(*m.DataCount) })
	}
	list(e, sectionCode, m.Bodies, e.body)
	list(e, sectionData, m.Data, e.data)
	for _, c := range m.Customs {
		e.section(sectionCustom, func() { e.name(c.Name); e.bytes(c.Data) })
	}
	if len(m.Names) > 0 {
		e.section(sectionCustom, func() { e.name("name"); e.names(m.Names) })
	}
	return e.out
}

type encoder struct{ out []byte }

func (e *encoder) byte(b byte)    { e.out = append(e.out, b) }
func (e *encoder) bytes(b []byte) { e.out = append(e.out, b...) }
func (e *encoder) u32(v uint32)   { e.out = appendU32(e.out, v) }
func (e *encoder) name(s string)  { e.u32(uint32(len(s))); e.out = append(e.out, s...) }
func (e *encoder) sized(b []byte) { e.u32(uint32(len(b))); e.bytes(b) }

// section writes a section: its length comes before its content, but is known after it.
func (e *encoder) section(id byte, content func()) {
	e.byte(id)
	e.measured(content)
}

// measured writes content with its length before it.
func (e *encoder) measured(content func()) {
	at := len(e.out)
	content()
	size := uint32(len(e.out) - at)
	width := len(appendU32(nil, size))
	e.out = append(e.out, make([]byte, width)...)
	copy(e.out[at+width:], e.out[at:])
	binary.PutUvarint(e.out[at:], uint64(size))
}

// list writes a section that is a vector, unless it is empty.
func list[T any](e *encoder, id byte, items []T, item func(T)) {
	if len(items) > 0 {
		e.section(id, func() {
			e.u32(uint32(len(items)))
			for _, it := range items {
				item(it)
			}
		})
	}
}

func (e *encoder) funcType(t FuncType) {
	e.byte(0x60)
	e.valueTypes(t.Params)
	e.valueTypes(t.Results)
}

func (e *encoder) valueTypes(types []ValueType) {
	e.u32(uint32(len(types)))
	for _, t := range types {
		e.byte(byte(t))
	}
}

func (e *encoder) importItem(im Import) {
	e.name(im.Module)
	e.name(im.Name)
	e.byte(byte(im.Kind))
	switch im.Kind {
	case KindFunction:
		e.u32(im.Type)
	case KindTable:
		e.table(im.Table)
	case KindMemory:
		e.limits(im.Memory)
	case KindGlobal:
		e.globalType(im.Global)
	}
}

func (e *encoder) table(t Table) {
	e.byte(byte(t.Type))
	e.limits(t.Limits)
}

func (e *encoder) limits(l Limits) {
	if !l.HasMax {
		e.byte(0)
		e.u32(l.Min)
		return
	}
	e.byte(1)
	e.u32(l.Min)
	e.u32(l.Max)
}

func (e *encoder) globalType(t GlobalType) {
	e.byte(byte(t.Type))
	if t.Mutable {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

func (e *encoder) global(g Global) {
	e.globalType(g.GlobalType)
	e.bytes(g.Init)
}

func (e *encoder) export(x Export) {
	e.name(x.Name)
	e.byte(byte(x.Kind))
	e.u32(x.Index)
}

func (e *encoder) element(s Element) {
	e.u32(s.Flags)
	if s.active() {
		if s.Flags&elementExplicit != 0 {
			e.u32(s.Table)
		}
		e.bytes(s.Offset)
	}
	if s.hasKind() {
		e.byte(s.Kind)
	}
	e.u32(s.Count)
	e.bytes(s.Init)
}

func (e *encoder) body(b Body) {
	e.measured(func() {
		e.u32(uint32(len(b.Locals)))
		for _, run := range b.Locals {
			e.u32(run.Count)
			e.byte(byte(run.Type))
		}
		e.bytes(b.Code)
	})
}

func (e *encoder) data(s Data) {
	e.u32(s.Flags)
	if s.Flags == 2 {
		e.u32(s.Memory)
	}
	if s.Flags != 1 {
		e.bytes(s.Offset)
	}
	e.sized(s.Init)
}

func (e *encoder) names(names []Name) {
	e.byte(subsectionFunctions)
	e.measured(func() {
		e.u32(uint32(len(names)))
		for _, n := range names {
			e.u32(n.Function)
			e.sized(n.Text)
		}
	})
}
