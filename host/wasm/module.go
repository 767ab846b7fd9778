// Package wasm reads and rewrites WebAssembly modules before they reach a compiler.
//
// Decode reads a module strictly, Vet refuses what would cost too much to compile or to hold, Meter
// rewrites a module so that it pays for what it executes, and Snapshot tells whether a started
// instance can be copied. The package does not check types: the compiler does that after it. It
// knows nothing of the compiler, of the host's functions or of plugins.
package wasm

// Module is a decoded module. Decode and Meter make it, and what they make is well-formed: every
// index refers to something that the module has. Fields are to be read. Byte slices belong to the
// bytes that were decoded. A Module that nobody changes is safe for concurrent use.
type Module struct {
	Types     []FuncType
	Imports   []Import
	Functions []uint32 // type of each function of its own
	Tables    []Table
	Memories  []Limits
	Globals   []Global
	Exports   []Export
	Start     *uint32 // function
	Elements  []Element
	DataCount *uint32
	Bodies    []Body // one for each of Functions
	Data      []Data
	Customs   []Custom // but the section "name"
	Names     []Name   // of functions, in ascending order, from the section "name"

	size     int     // of the bytes that were decoded
	shapes   []shape // one for each of Bodies; nil in a module that Meter made
	imported [4]int  // imports of each Kind
}

// ValueType is the type of a value, in the byte that stands for it in a module.
type ValueType byte

// The value types.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

// FuncType is the type of a function or a block.
type FuncType struct{ Params, Results []ValueType }

// Kind is what an import or export is.
type Kind byte

// The kinds of imports and exports.
const (
	KindFunction Kind = iota
	KindTable
	KindMemory
	KindGlobal
)

// Import is something that a module takes from another.
type Import struct {
	Module, Name string
	Kind         Kind
	Type         uint32     // of a function
	Table        Table      // of a table
	Memory       Limits     // of a memory
	Global       GlobalType // of a global
}

// Limits are the entries of a table or the pages of a memory, each of 64 KiB.
type Limits struct {
	Min, Max uint32
	HasMax   bool
}

// Table is the type of a table.
type Table struct {
	Type ValueType
	Limits
}

// GlobalType is the type of a global.
type GlobalType struct {
	Type    ValueType
	Mutable bool
}

// Global is a global of the module's own.
type Global struct {
	GlobalType
	Init Expr
}

// Expr is a constant expression as the module has it, with its end.
type Expr []byte

// Export is something that a module gives to others.
type Export struct {
	Name  string
	Kind  Kind
	Index uint32
}

// Element is a segment of references for tables.
type Element struct {
	Flags  uint32 // as in the binary format: bit 0 not active, bit 1 explicit, bit 2 expressions
	Table  uint32
	Offset Expr
	Kind   byte // 0 where Init holds functions, a ValueType where it holds expressions
	Count  uint32
	Init   []byte // Count indices of functions or Count constant expressions
}

// Body is the code of one function.
type Body struct {
	Locals []Local
	Code   []byte // instructions, the last is end

	offset int // of Code in the bytes that were decoded
}

// Local is a run of local variables of one type.
type Local struct {
	Count uint32
	Type  ValueType
}

// Data is a segment of bytes for the memory.
type Data struct {
	Flags  uint32 // as in the binary format: bit 0 passive, bit 1 explicit memory
	Memory uint32
	Offset Expr
	Init   []byte
}

// Custom is a custom section.
type Custom struct {
	Name string
	Data []byte
}

// Imported is the number of imports of a kind. Indices of that kind count them first.
func (m *Module) Imported(k Kind) int { return m.imported[k] }

// FunctionType is the type of a function, imported ones first. The index is one that the module has.
func (m *Module) FunctionType(function uint32) FuncType {
	if own := int(function) - m.imported[KindFunction]; own >= 0 {
		return m.Types[m.Functions[own]]
	}
	return m.Types[m.functionTypes()[function]]
}

// functionTypes are the types of all functions, imported ones first.
func (m *Module) functionTypes() []uint32 {
	types := make([]uint32, 0, m.functions())
	for _, im := range m.Imports {
		if im.Kind == KindFunction {
			types = append(types, im.Type)
		}
	}
	return append(types, m.Functions...)
}

// Export returns the export of that name.
func (m *Module) Export(name string) (Export, bool) {
	for _, e := range m.Exports {
		if e.Name == name {
			return e, true
		}
	}
	return Export{}, false
}
