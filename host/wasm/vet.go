package wasm

import "fmt"

// RefusedError is returned for a module that asks for too much.
type RefusedError struct {
	Function string // its index and name, empty where the module as a whole asks for too much
	What     string // that there is too much of
	Value    uint64
	Max      uint64
}

func (e *RefusedError) Error() string {
	where := "the module"
	if e.Function != "" {
		where = e.Function
	}
	return fmt.Sprintf("wasm: %s has %d %s, the limit is %d", where, e.Value, e.What, e.Max)
}

// Vet refuses a module that goes past a bound with a *RefusedError, and one that names what Meter
// adds with ErrReserved. It is for what Decode returns, not for what Meter made of it. What passes
// may still be no valid module.
func (m *Module) Vet(b Bounds) error {
	b = b.withDefaults()
	if err := checkReserved(m); err != nil {
		return err
	}
	v := &vetting{m: m, bounds: b}
	v.module()
	for i := range m.shapes {
		v.function(i)
	}
	v.check("", "compile work", v.work, b.Work)
	if v.refused != nil {
		return v.refused
	}
	return nil
}

type vetting struct {
	m       *Module
	bounds  Bounds
	mutable uint64 // globals
	work    uint64
	refused *RefusedError
}

// check notes the first bound that is passed.
func (v *vetting) check(function, what string, value uint64, limit int) {
	if v.refused == nil && value > uint64(limit) {
		v.refused = &RefusedError{Function: function, What: what, Value: value, Max: uint64(limit)}
	}
}

func (v *vetting) module() {
	m, b := v.m, v.bounds
	count := func(what string, n, limit int) { v.check("", what, uint64(n), limit) }
	count("bytes", m.size, b.ModuleBytes)
	count("types", len(m.Types), b.Types)
	count("imports", len(m.Imports), b.Imports)
	count("functions", len(m.Functions), b.Functions)
	count("tables", m.tables(), b.Tables)
	count("globals", m.globals(), b.Globals)
	count("exports", len(m.Exports), b.Exports)
	count("element segments", len(m.Elements), b.ElementSegments)
	count("data segments", len(m.Data), b.DataSegments)
	for _, t := range m.Types {
		count("parameters in a type", len(t.Params), b.Params)
		count("results in a type", len(t.Results), b.Results)
	}
	for _, im := range m.Imports {
		count("bytes in the name of an import", max(len(im.Module), len(im.Name)), b.NameBytes)
		if im.Kind == KindGlobal && im.Global.Mutable {
			v.mutable++
		}
	}
	for _, e := range m.Exports {
		count("bytes in the name of an export", len(e.Name), b.NameBytes)
	}
	for _, g := range m.Globals {
		if g.Mutable {
			v.mutable++
		}
	}
	v.sizes()
}

// sizes checks what instances start with.
func (v *vetting) sizes() {
	var entries, pages, elements uint64
	for _, im := range v.m.Imports {
		entries += uint64(im.Table.Min)
		pages += uint64(im.Memory.Min)
	}
	for _, t := range v.m.Tables {
		entries += uint64(t.Min)
	}
	for _, l := range v.m.Memories {
		pages += uint64(l.Min)
	}
	for _, e := range v.m.Elements {
		elements += uint64(e.Count)
	}
	v.check("", "table entries", entries, v.bounds.TableEntries)
	v.check("", "pages of memory", pages, v.bounds.MemoryPages)
	v.check("", "elements", elements, v.bounds.Elements)
}

func (v *vetting) function(i int) {
	s, b := &v.m.shapes[i], &v.bounds
	carried := s.crossing*(uint64(s.branches)+loopWeight*uint64(s.loops)) + s.carried
	for _, c := range [...]struct {
		what  string
		value uint64
		limit int
	}{
		{"bytes of code", uint64(len(v.m.Bodies[i].Code)), b.BodyBytes},
		{"locals", s.locals, b.Locals},
		{"branches", uint64(s.branches), b.Branches},
		{"loops", uint64(s.loops), b.Loops},
		{"blocks in each other", uint64(s.nesting), b.Nesting},
		{"targets of br_table", uint64(s.targets), b.Targets},
		{"operands", uint64(s.operands), b.Operands},
		{"values of blocks and branches", s.values, b.BlockValues},
		{"locals and operands times branches", carried, b.Carried},
		{"mutable globals times calls", v.mutable * uint64(s.calls), b.CallGlobals},
	} {
		if c.value > uint64(c.limit) {
			v.check(v.m.FunctionName(uint32(v.m.Imported(KindFunction)+i)), c.what, c.value, c.limit)
			return
		}
	}
	v.work += s.work(len(v.m.Bodies[i].Code)) + carried + v.mutable*uint64(s.calls)
}

// loopWeight is what a loop costs the compiler in comparison with another branch.
const loopWeight = 10

// work is about the microseconds that the compiler takes for a body at worst: it is linear in the
// code and quadratic in branches.
func (s *shape) work(bytes int) uint64 {
	return uint64(bytes) + uint64(s.branches)*uint64(s.branches)/20 + s.values
}

// CapTables gives all tables of the module's own a greatest size, so that together they never grow
// beyond entries, or beyond what they start with. A table could otherwise grow to tens of gigabytes
// in one instruction.
func (m *Module) CapTables(entries int) {
	spare := int64(entries)
	for _, t := range m.Tables {
		spare -= int64(t.Min)
	}
	if len(m.Tables) == 0 {
		return
	}
	spare = max(spare, 0) / int64(len(m.Tables))
	for i := range m.Tables {
		t := &m.Tables[i]
		most := uint32(min(int64(t.Min)+spare, 1<<32-1))
		if !t.HasMax || t.Max > most {
			t.HasMax, t.Max = true, most
		}
	}
}
