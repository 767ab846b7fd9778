package wasm

import (
	"fmt"
	"slices"
	"strings"
)

// What Seed adds to a module. Modules that export such names themselves have no seed.
const (
	seedPrefix = "millrace_seed."
	// SeedStart is the export of what was the start function, if there was one.
	SeedStart = seedPrefix + "start"
	// seedGlobal and a number are exports of mutable globals.
	seedGlobal = seedPrefix + "global."
)

// maxSeedGlobals bounds what has to be set in each instance. Real modules have one to ten mutable
// globals.
const maxSeedGlobals = 256

// Seed is a module that does nothing by itself when it is instantiated: it puts no data into its
// memory and runs no start function. Whoever instantiates it either does both, which gives an
// instance of the module as it was, or fills memory and mutable globals with what they were in an
// instance that has come so far. The two are the same then, since nothing else of an instance can
// change.
type Seed struct {
	Module  *Module
	Data    []Segment // to be written in this order, before the start function runs
	Start   bool      // whether SeedStart is there
	Globals []string  // exports of all mutable globals
}

// Segment is what a data segment puts into the memory.
type Segment struct {
	Offset uint32
	Bytes  []byte
}

// Seed returns the module's seed, or the reason why it has none: that of Snapshot, or that not all
// of the state can be read and set from outside. The seed refers to m's bytes; m is not changed. It
// is for what Decode returns, not for what Meter made of it; Meter takes the seed's module.
func (m *Module) Seed() (_ *Seed, reason string) {
	globals, reason := m.Snapshot()
	if reason == "" {
		reason = m.unseedable(globals)
	}
	if reason != "" {
		return nil, reason
	}
	s := &Seed{}
	out := *m
	out.Exports = slices.Clone(m.Exports)
	for _, g := range globals {
		name := fmt.Sprint(seedGlobal, g)
		s.Globals = append(s.Globals, name)
		out.Exports = append(out.Exports, Export{name, KindGlobal, g})
	}
	if m.Start != nil {
		s.Start, out.Start = true, nil
		out.Exports = append(out.Exports, Export{SeedStart, KindFunction, *m.Start})
	}
	out.Data = s.takeData(&out)
	s.Module = &out
	return s, ""
}

// takeData takes over the active segments and returns what the module keeps: for each of them an
// empty one in its place, as it is after a start, if code may name segments at all.
func (s *Seed) takeData(m *Module) []Data {
	kept := slices.Clone(m.Data)
	for i, d := range m.Data {
		if d.passive() {
			continue
		}
		offset, _ := d.Offset.i32()
		s.Data = append(s.Data, Segment{uint32(offset), d.Init})
		kept[i] = Data{Flags: dataPassive}
	}
	if m.DataCount == nil {
		return nil
	}
	return kept
}

func (m *Module) unseedable(globals []uint32) string {
	if len(globals) > maxSeedGlobals {
		return fmt.Sprintf("the module has %d mutable globals, more than %d", len(globals), maxSeedGlobals)
	}
	for _, e := range m.Exports {
		if strings.HasPrefix(e.Name, seedPrefix) {
			return fmt.Sprintf("the module exports %q", e.Name)
		}
	}
	for _, d := range m.Data {
		if _, constant := d.Offset.i32(); !d.passive() && !constant {
			return "the place of a data segment is not a constant"
		}
	}
	return ""
}

// dataPassive is the flag of a data segment that waits for memory.init.
const dataPassive = 1

func (d *Data) passive() bool { return d.Flags&dataPassive != 0 }

// i32 is the constant that the expression is, if it is one.
func (e Expr) i32() (value int32, constant bool) {
	if len(e) == 0 || e[0] != opI32Const {
		return 0, false
	}
	r := reader{b: e, at: 1}
	return int32(r.signed(32)), true
}
