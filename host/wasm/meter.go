package wasm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What Meter adds to a module. No module may name them itself.
const (
	// MeterModule is the module that a metered module imports Refill and Overflow from.
	MeterModule = "millrace_meter"
	// Refill is a function () -> i64. It is called when the fuel has run out, that is below zero, and
	// answers how much is added. If that is not enough it is called again soon. It may wait, or trap.
	Refill = "refill"
	// Overflow is a function () -> (). It is called instead of one call too many inside each other, and
	// must not return: if it does the module traps.
	Overflow = "overflow"
	// FuelExport is a mutable global of type i64: the fuel that is left. One unit is one instruction,
	// or 16 bytes that a bulk instruction writes, or one where it writes many.
	FuelExport = "millrace_meter.fuel"
	// DepthExport is a mutable global of type i64: how many calls may still go inside each other. A trap
	// leaves it where it was.
	DepthExport = "millrace_meter.depth"
)

// Metering is what a metered module starts with, before the host sets the globals.
type Metering struct {
	Fuel  int64
	Depth int64 // calls inside each other that recursion could go through

	// Switches is how many functions tables hold from which on calls through them become switches; 0 is
	// never.
	Switches int
}

// ErrReserved is returned for a module that names what Meter adds.
var ErrReserved = errors.New("wasm: the module uses a name that is reserved for metering")

// Meter returns a module that does what m does and pays for it with fuel. Every function and every
// loop pays, before it executes it, for at least as many instructions as it executes; bulk
// instructions pay for what they write. Whether there is fuel left is checked less often, but no loop
// and no recursion goes without. Tables lose entries that nobody can tell from missing ones. Custom
// sections are dropped: they tell of other offsets.
// The result refers to m's bytes; m is not changed.
func Meter(m *Module, c Metering) (*Module, error) {
	if err := checkReserved(m); err != nil {
		return nil, err
	}
	r := newRewriter(m, c)
	if err := r.bodies(); err != nil {
		return nil, err
	}
	r.helpers()
	r.renumber()
	if r.tables != nil {
		r.makeSwitches()
		r.clear()
	} else {
		r.trim()
	}
	r.globals(c)
	r.out.Customs = nil
	return r.out, nil
}

func checkReserved(m *Module) error {
	for _, im := range m.Imports {
		if im.Module == MeterModule {
			return fmt.Errorf("%w: import from %q", ErrReserved, im.Module)
		}
	}
	for _, e := range m.Exports {
		if strings.HasPrefix(e.Name, MeterModule) {
			return fmt.Errorf("%w: export %q", ErrReserved, e.Name)
		}
	}
	return nil
}

// Added is the number of imports that Meter adds. They follow the module's own, so that all its own
// functions move by as much.
const Added = 2

// rewriter makes the metered module.
type rewriter struct {
	in, out  *Module
	imported uint32 // functions that the module imports itself
	// These are functions in the new numbering: the imports Refill and Overflow, and the helpers.
	take, overflow, refill, guard uint32
	pay                           [len(payments)]uint32
	used                          uses   // of all bodies
	fuel                          uint32 // globals
	depth                         uint32
	types                         map[string]uint32
	// unchecked is what a call of each function may execute without a check.
	unchecked []uint32
	spans     []span  // of tables that are cut; nil if none is
	tables    []table // that are replaced by switches; nil if none is
	switches  []switched
	moves     uint32 // the function for memory.copy; that for memory.fill follows it
	// firstSwitch is the function that is the first of switches.
	firstSwitch uint32
	planner     planner
	code        []byte
}

func newRewriter(m *Module, c Metering) *rewriter {
	out := *m
	r := &rewriter{in: m, out: &out, imported: uint32(m.Imported(KindFunction)), types: map[string]uint32{}}
	r.take, r.overflow = r.imported, r.imported+1
	r.fuel, r.depth = uint32(m.globals()), uint32(m.globals())+1
	out.Types, out.Functions = slices.Clone(m.Types), slices.Clone(m.Functions)
	out.shapes = nil
	r.spans = m.tableSpans()
	r.tables = m.tablesToSwitch(r.spans, c.Switches)
	out.Imports = append(slices.Clone(m.Imports),
		Import{Module: MeterModule, Name: Refill, Type: r.typ(FuncType{Results: []ValueType{I64}})},
		Import{Module: MeterModule, Name: Overflow, Type: r.typ(FuncType{})})
	out.imported[KindFunction] += Added
	for _, s := range m.shapes {
		r.used |= s.uses
	}
	r.refill = uint32(out.functions())
	r.guard = r.refill + 1
	next := r.refill + 2
	for i, u := range payments {
		if r.used&u.uses != 0 {
			r.pay[i] = next
			next++
		}
	}
	if r.moves = next; r.used&usesMoves != 0 {
		next += 2
	}
	r.firstSwitch = next
	return r
}

// typ returns the index of a type, which it adds if need be.
func (r *rewriter) typ(t FuncType) uint32 {
	key := typeKey(t)
	if len(r.types) == 0 {
		for i := len(r.out.Types) - 1; i >= 0; i-- { // the first of equal ones stays
			r.types[typeKey(r.out.Types[i])] = uint32(i)
		}
	}
	index, ok := r.types[key]
	if !ok {
		index = uint32(len(r.out.Types))
		r.out.Types = append(r.out.Types, t)
		r.types[key] = index
	}
	return index
}

func typeKey(t FuncType) string {
	key := make([]byte, 0, len(t.Params)+1+len(t.Results))
	for _, p := range t.Params {
		key = append(key, byte(p))
	}
	key = append(key, 0)
	for _, p := range t.Results {
		key = append(key, byte(p))
	}
	return string(key)
}

// shift is the new index of one of the module's functions.
func (r *rewriter) shift(function uint32) uint32 {
	if function >= r.imported {
		return function + Added
	}
	return function
}
