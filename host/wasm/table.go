package wasm

// table is what a table of the module holds, for switches in its place.
type table struct {
	from    uint32            // of the first entry
	entries []entry           // in their order
	made    map[string]uint32 // switches by the key of their type
}

// entry is a function in a table, in the old numbering.
type entry struct {
	function uint32
	key      string // of its type; empty where there is no function
}

// Bounds of what is replaced.
const (
	mostLabels    = 1 << 19 // entries times the types that calls can have
	mostArguments = 1 << 19 // that all entries take together
)

// tablesToSwitch returns what the module's tables hold, if that is to be replaced: where tables can be
// cut, and hold at least so many functions, all of them known. Otherwise it is nil.
func (m *Module) tablesToSwitch(spans []span, least int) []table {
	functions, labels := 0, 0
	for i := range m.Elements {
		if e := &m.Elements[i]; e.active() {
			functions += int(e.Count)
			if e.Kind != 0 && e.Kind != byte(FuncRef) {
				return nil
			}
		}
	}
	for i, s := range spans {
		labels += int(s.to-s.from) * len(m.Types)
		if m.Tables[i].Type != FuncRef {
			return nil
		}
	}
	if spans == nil || least <= 0 || functions < least || labels > mostLabels {
		return nil
	}
	tables := make([]table, len(spans))
	for i, s := range spans {
		tables[i] = table{from: s.from, entries: make([]entry, s.to-s.from), made: map[string]uint32{}}
	}
	types := m.functionTypes()
	arguments := 0
	for i := range m.Elements {
		e := &m.Elements[i]
		if !e.active() {
			continue
		}
		n, known := tables[e.Table].fill(m, types, e)
		if arguments += n; !known || arguments > mostArguments {
			return nil
		}
	}
	return tables
}

// fill puts the functions of an active segment into their places. It returns how many arguments they
// take together, and whether they are known.
func (t *table) fill(m *Module, types []uint32, e *Element) (arguments int, known bool) {
	offset, _ := e.Offset.i32()
	r := reader{b: e.Init}
	for i := range e.Count {
		at := &t.entries[uint32(offset)-t.from+i]
		op, index := byte(opRefFunc), uint32(0)
		if e.Flags&elementExprs != 0 {
			op, index = r.expr().item()
		} else {
			index = r.u32()
		}
		switch op {
		case opRefFunc:
			typ := m.Types[types[index]]
			arguments += len(typ.Params)
			*at = entry{index, typeKey(typ)}
		case opRefNull:
			*at = entry{}
		default:
			return 0, false
		}
	}
	return arguments, true
}
