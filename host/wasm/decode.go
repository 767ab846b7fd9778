package wasm

import "bytes"

const (
	// maxItems bounds what is counted in one section, as the JavaScript API does. A larger module
	// could ask for many times its size in memory.
	maxItems   = 1_000_000
	maxCustoms = 1_000
)

// Sections of the binary format.
const (
	sectionCustom = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount
	sectionTag
)

// sectionOrder is the place of each section in a module.
var sectionOrder = [...]int{
	sectionType: 1, sectionImport: 2, sectionFunction: 3, sectionTable: 4, sectionMemory: 5, sectionTag: 6,
	sectionGlobal: 7, sectionExport: 8, sectionStart: 9, sectionElement: 10, sectionDataCount: 11,
	sectionCode: 12, sectionData: 13,
}

const header = "\x00asm\x01\x00\x00\x00"

// Decode reads a module. It knows WebAssembly 2.0, with SIMD; later features are refused by name.
// Its errors are *SyntaxError. It takes any bytes and memory in proportion to them. The module keeps
// b, which must not change any more.
func Decode(b []byte) (*Module, error) {
	if !bytes.HasPrefix(b, []byte(header)) {
		return nil, &SyntaxError{Reason: "not a core module of version 1"}
	}
	d := &decoder{reader: reader{b: b, at: len(header)}, m: &Module{size: len(b)}}
	d.sections()
	if d.err == nil {
		d.check()
	}
	if d.err == nil {
		d.bodies()
	}
	if d.err != nil {
		return nil, d.err
	}
	d.m.Names = readNames(d.names, d.m.functions())
	return d.m, nil
}

// functions is the number of all functions, imported ones included; so are tables and the others.
func (m *Module) functions() int { return m.imported[KindFunction] + len(m.Functions) }
func (m *Module) tables() int    { return m.imported[KindTable] + len(m.Tables) }
func (m *Module) memories() int  { return m.imported[KindMemory] + len(m.Memories) }
func (m *Module) globals() int   { return m.imported[KindGlobal] + len(m.Globals) }

type decoder struct {
	reader
	m     *Module
	names []byte // the content of the section "name"
}

func (d *decoder) sections() {
	whole := d.b
	for last := 0; d.left() > 0; {
		start := d.at
		id := d.byte()
		size := int(d.u32())
		if d.err == nil && size > d.left() {
			d.failAt(start, "section %d of %d bytes is longer than the module", id, size)
		}
		if d.err != nil {
			return
		}
		if id != sectionCustom {
			if int(id) >= len(sectionOrder) || sectionOrder[id] <= last {
				d.failAt(start, "section %d is unknown, there twice or in the wrong place", id)
				return
			}
			last = sectionOrder[id]
		}
		d.b = whole[:d.at+size]
		d.section(id)
		if d.err == nil && d.left() > 0 {
			d.fail("section %d has %d bytes too many", id, d.left())
		}
		if d.err != nil {
			return
		}
		d.b = whole
	}
}

func (d *decoder) section(id byte) {
	m := d.m
	switch id {
	case sectionCustom:
		d.custom()
	case sectionType:
		m.Types = items(d, "types", 3, d.funcType)
	case sectionImport:
		m.Imports = items(d, "imports", 4, d.importItem)
	case sectionFunction:
		m.Functions = items(d, "functions", 1, d.u32)
	case sectionTable:
		m.Tables = items(d, "tables", 3, d.table)
	case sectionMemory:
		m.Memories = items(d, "memories", 2, d.memory)
	case sectionGlobal:
		m.Globals = items(d, "globals", 4, func() Global { return Global{d.globalType(), d.expr()} })
	case sectionExport:
		m.Exports = items(d, "exports", 3, d.export)
	case sectionStart:
		start := d.u32()
		m.Start = &start
	case sectionElement:
		m.Elements = items(d, "element segments", 3, d.element)
	case sectionDataCount:
		count := d.u32()
		m.DataCount = &count
	case sectionCode:
		m.Bodies = items(d, "function bodies", 3, d.body)
	case sectionData:
		m.Data = items(d, "data segments", 2, d.data)
	case sectionTag:
		d.fail("exceptions are not supported")
	}
}

// items reads a vector of items that have at least so many bytes each.
func items[T any](d *decoder, of string, least int, item func() T) []T {
	n := d.count(of, least)
	if n == 0 {
		return nil
	}
	list := make([]T, 0, n)
	for ; n > 0 && d.err == nil; n-- {
		list = append(list, item())
	}
	return list
}

func (d *decoder) custom() {
	start := d.at
	name := d.name()
	data := d.take(d.left())
	if d.err != nil {
		return
	}
	if name == "name" {
		if d.names != nil {
			d.failAt(start, "section %q is there twice", name)
		}
		d.names = data
		return
	}
	if len(d.m.Customs) == maxCustoms {
		d.failAt(start, "more than %d custom sections", maxCustoms)
		return
	}
	d.m.Customs = append(d.m.Customs, Custom{name, data})
}

func (d *decoder) funcType() FuncType {
	start := d.at
	switch form := d.byte(); form {
	case 0x60:
	case 0x4e, 0x4f, 0x50, 0x5e, 0x5f:
		d.failAt(start, "garbage collected types are not supported")
	default:
		d.failAt(start, "%#x is no form of a type", form)
	}
	return FuncType{items(d, "parameters", 1, d.valueType), items(d, "results", 1, d.valueType)}
}

func (d *decoder) body() Body {
	size := int(d.u32())
	if size > d.left() {
		d.fail("a body of %d bytes is longer than its section", size)
		return Body{}
	}
	section := d.b
	d.b = d.b[:d.at+size]
	b := Body{Locals: items(d, "runs of locals", 2, func() Local { return Local{d.u32(), d.valueType()} })}
	b.offset = d.at
	b.Code = d.take(d.left())
	if d.err == nil {
		d.b = section
	}
	return b
}

func (d *decoder) data() (s Data) {
	start := d.at
	s.Flags = d.u32()
	if s.Flags > 2 {
		d.failAt(start, "%d are no flags of a data segment", s.Flags)
	}
	if s.Flags == 2 {
		s.Memory = d.u32()
	}
	if s.Flags != 1 {
		s.Offset = d.expr()
	}
	s.Init = d.sized()
	return s
}
