package wasm

// Snapshot tells whether a started instance can be continued by others from a copy of its memory and
// of its mutable globals, and which those are. The reason is empty if it can; otherwise it is a
// sentence for the module's author. It is for what Decode returns.
func (m *Module) Snapshot() (globals []uint32, reason string) {
	if reason := m.importsState(); reason != "" {
		return nil, reason
	}
	if len(m.Memories) != 1 {
		return nil, "the module has no memory of its own"
	}
	for i, g := range m.Globals {
		if !g.Mutable {
			continue
		}
		if g.Type == V128 || g.Type == FuncRef || g.Type == ExternRef {
			return nil, "the module has a mutable global that is a vector or a reference"
		}
		globals = append(globals, uint32(m.Imported(KindGlobal)+i))
	}
	for i, s := range m.shapes {
		name := m.FunctionName(uint32(m.Imported(KindFunction) + i))
		if s.uses&usesTables != 0 {
			return nil, name + " changes a table"
		}
		if s.uses&usesDrop != 0 {
			return nil, name + " drops a segment"
		}
	}
	return globals, ""
}

func (m *Module) importsState() string {
	for _, im := range m.Imports {
		if im.Kind != KindFunction {
			return "the module imports a memory, a table or a global"
		}
	}
	return ""
}
