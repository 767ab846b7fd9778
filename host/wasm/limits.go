package wasm

import "reflect"

// Bounds are what a module may ask of its compiler and of the memory of its instances. A zero field
// takes its default. The defaults let modules of Go's, Rust's, C's and Zig's compilers, QuickJS and
// SQLite pass with room; what they cost at worst is in the test of compile time.
type Bounds struct {
	// Of the module.
	ModuleBytes     int // default 32 MiB
	Types           int // default 20,000
	Imports         int // default 1,000
	Functions       int // of its own; default 100,000
	Tables          int // default 16
	TableEntries    int // that all tables start with; default 262,144
	MemoryPages     int // of 64 KiB that the memory starts with; default 1,024
	Globals         int // default 20,000
	Exports         int // default 10,000
	ElementSegments int // default 10,000
	Elements        int // in all segments; default 1,000,000
	DataSegments    int // default 100,000, which Go's linker makes use of
	NameBytes       int // of an import or export; default 4,096
	Work            int // of the compiler on all functions, about in microseconds; default 40,000,000

	// Of each function.
	Params      int // of a type; default 256
	Results     int // of a type; default 256
	BodyBytes   int // default 512 KiB
	Locals      int // parameters included; default 20,000
	Branches    int // blocks, elses and branches; default 6,000
	Loops       int // default 1,000
	Nesting     int // of blocks; default 5,000
	Targets     int // labels of all br_table; default 20,000
	Operands    int // on the stack; default 2,000
	BlockValues int // that blocks take and give and branches carry; default 40,000
	Carried     int // locals and operands that live across branches, for each branch; default 1,000,000
	CallGlobals int // calls times mutable globals, which are loaded after each; default 500,000
}

var defaultBounds = Bounds{
	ModuleBytes: 32 << 20, Types: 20_000, Imports: 1_000, Functions: 100_000, Tables: 16,
	TableEntries: 1 << 18, MemoryPages: 1_024, Globals: 20_000, Exports: 10_000, ElementSegments: 10_000,
	Elements: 1_000_000, DataSegments: 100_000, NameBytes: 4_096, Work: 40_000_000,
	Params: 256, Results: 256, BodyBytes: 512 << 10, Locals: 20_000, Branches: 6_000, Loops: 1_000,
	Nesting: 5_000, Targets: 20_000, Operands: 2_000, BlockValues: 40_000, Carried: 1_000_000,
	CallGlobals: 500_000,
}

func (b Bounds) withDefaults() Bounds {
	fields, defaults := reflect.ValueOf(&b).Elem(), reflect.ValueOf(defaultBounds)
	for i := range fields.NumField() {
		if fields.Field(i).IsZero() {
			fields.Field(i).Set(defaults.Field(i))
		}
	}
	return b
}
