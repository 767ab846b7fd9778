// Package module builds WebAssembly modules that no compiler would make.
//
// A Module is filled in and encoded as it is told: the package checks nothing, so that a module may
// be as wrong as its test wants it. It knows the binary format, and nothing of Millrace.
package module

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/tests/hostile/op"
)

// Kinds of imports and exports.
const (
	Func byte = iota
	Table
	Memory
	Global
)

// Module is a module in the making. The zero value is the empty module.
//
// Signatures are the letters of parameters, a colon, and those of results: i, l, f, d and v stand
// for i32, i64, f32, f64 and v128, r and x for references to functions and to the outside.
type Module struct {
	types     vector
	imports   vector
	functions vector
	tables    vector
	memories  vector
	globals   vector
	exports   vector
	start     []byte
	elements  vector
	data      vector
	bodies    vector
	passive   bool   // there are data segments that code may refer to
	trailing  []byte // sections as they are
	known     map[string]int
	imported  int // functions
}

// vector is encoded items and their number.
type vector struct {
	n     int
	bytes []byte
}

func (v *vector) add(parts ...[]byte) (index int) {
	for _, p := range parts {
		v.bytes = append(v.bytes, p...)
	}
	v.n++
	return v.n - 1
}

// Type returns the index of a signature, which is added if it is new.
func (m *Module) Type(signature string) int {
	if i, ok := m.known[signature]; ok {
		return i
	}
	if m.known == nil {
		m.known = map[string]int{}
	}
	m.known[signature] = m.types.add(Signature(signature))
	return m.known[signature]
}

// RawType adds a type as it is, equal to another or not.
func (m *Module) RawType(b []byte) int { return m.types.add(b) }

// Signature encodes a signature.
func Signature(s string) []byte {
	params, results, _ := strings.Cut(s, ":")
	return slices.Concat([]byte{0x60}, valueTypes(params), valueTypes(results))
}

func valueTypes(letters string) []byte {
	b := op.U32(uint64(len(letters)))
	for _, c := range []byte(letters) {
		b = append(b, valueType(c))
	}
	return b
}

func valueType(letter byte) byte {
	return map[byte]byte{'i': op.I32, 'l': op.I64, 'f': op.F32, 'd': op.F64, 'v': op.V128, 'r': op.FuncRef, 'x': op.ExternRef}[letter]
}

// Import adds an imported function and returns its index. Imports come before all functions.
func (m *Module) Import(module, name, signature string) int {
	if m.bodies.n > 0 {
		panic("import after a function")
	}
	m.RawImport(module, name, Func, op.U32(uint64(m.Type(signature))))
	m.imported++
	return m.imported - 1
}

// RawImport adds an import of any kind with its description as it is. Functions are not counted.
func (m *Module) RawImport(module, name string, kind byte, description []byte) {
	m.imports.add(Name(module), Name(name), []byte{kind}, description)
}

// Func adds a function and returns its index. Locals are letters, one for each; the last end is added.
func (m *Module) Func(signature, locals string, code ...[]byte) int {
	var runs vector
	for i := 0; i < len(locals); {
		n := 1
		for i+n < len(locals) && locals[i+n] == locals[i] {
			n++
		}
		runs.add(op.U32(uint64(n)), []byte{valueType(locals[i])})
		i += n
	}
	return m.RawFunc(signature, slices.Concat(runs.encode(), slices.Concat(code...), op.End))
}

// Next is the index that the next function gets.
func (m *Module) Next() int { return m.imported + m.bodies.n }

// RawFunc adds a function with its body as it is, and returns its index.
func (m *Module) RawFunc(signature string, body []byte) int {
	index := m.Next()
	m.functions.add(op.U32(uint64(m.Type(signature))))
	m.bodies.add(op.U32(uint64(len(body))), body)
	return index
}

// Table adds a table of a type of references and returns its index. A most below 0 is none.
func (m *Module) Table(of byte, least, most int64) int {
	return m.tables.add([]byte{of}, limits(least, most))
}

// Memory adds a memory of so many pages and returns its index. A most below 0 is none.
func (m *Module) Memory(least, most int64) int { return m.memories.add(limits(least, most)) }

func limits(least, most int64) []byte {
	if most < 0 {
		return append([]byte{0}, op.U32(uint64(least))...)
	}
	return slices.Concat([]byte{1}, op.U32(uint64(least)), op.U32(uint64(most)))
}

// Global adds a mutable global and returns its index. Code gives its first value.
func (m *Module) Global(of byte, code ...[]byte) int {
	return m.globals.add([]byte{of, 1}, slices.Concat(code...), op.End)
}

// Export adds an export.
func (m *Module) Export(name string, kind byte, index int) {
	m.exports.add(Name(name), []byte{kind}, op.U32(uint64(index)))
}

// Start makes a function the start function.
func (m *Module) Start(function int) { m.start = op.U32(uint64(function)) }

// Elements puts functions into table 0 from an offset on.
func (m *Module) Elements(offset int32, functions ...int) {
	m.elements.add([]byte{0}, op.Const32(offset), op.End, indices(functions))
}

// PassiveElements adds a segment of functions that code puts into a table.
func (m *Module) PassiveElements(functions ...int) int {
	return m.elements.add([]byte{1, 0}, indices(functions))
}

func indices(of []int) []byte {
	var v vector
	for _, i := range of {
		v.add(op.U32(uint64(i)))
	}
	return v.encode()
}

// Data puts bytes into the memory at an offset.
func (m *Module) Data(offset int32, b []byte) {
	m.data.add([]byte{0}, op.Const32(offset), op.End, op.U32(uint64(len(b))), b)
}

// PassiveData adds a segment of bytes that code puts into the memory.
func (m *Module) PassiveData(b []byte) int {
	m.passive = true
	return m.data.add([]byte{1}, op.U32(uint64(len(b))), b)
}

// Trailing adds a section behind all others, as it is.
func (m *Module) Trailing(section []byte) { m.trailing = append(m.trailing, section...) }

// Bytes encodes the module.
func (m *Module) Bytes() []byte {
	out := []byte(Header)
	for _, s := range []struct {
		id byte
		of vector
	}{
		{1, m.types}, {2, m.imports}, {3, m.functions}, {4, m.tables}, {5, m.memories}, {6, m.globals}, {7, m.exports},
	} {
		if s.of.n > 0 {
			out = append(out, Section(s.id, s.of.encode())...)
		}
	}
	if m.start != nil {
		out = append(out, Section(8, m.start)...)
	}
	if m.elements.n > 0 {
		out = append(out, Section(9, m.elements.encode())...)
	}
	if m.passive {
		out = append(out, Section(12, op.U32(uint64(m.data.n)))...)
	}
	if m.bodies.n > 0 {
		out = append(out, Section(10, m.bodies.encode())...)
	}
	if m.data.n > 0 {
		out = append(out, Section(11, m.data.encode())...)
	}
	return append(out, m.trailing...)
}

// Header is what every module begins with.
const Header = "\x00asm\x01\x00\x00\x00"

func (v vector) encode() []byte { return append(op.U32(uint64(v.n)), v.bytes...) }

// Section encodes a section.
func Section(id byte, content ...[]byte) []byte {
	b := slices.Concat(content...)
	return slices.Concat([]byte{id}, op.U32(uint64(len(b))), b)
}

// Custom encodes a custom section.
func Custom(name string, content ...[]byte) []byte {
	return Section(0, Name(name), slices.Concat(content...))
}

// Name encodes a string behind its length.
func Name(s string) []byte { return append(op.U32(uint64(len(s))), s...) }
