package wasm

// check looks at the indices in all sections but the code. One that is out of range could otherwise
// come to mean something that Meter adds.
func (d *decoder) check() {
	m := d.m
	d.at, d.b = 0, nil // what is wrong from here on has no one place
	if len(m.Functions) != len(m.Bodies) {
		d.fail("%d functions have %d bodies", len(m.Functions), len(m.Bodies))
	}
	if m.memories() > 1 {
		d.fail("%d memories: more than one is not supported", m.memories())
	}
	if m.DataCount != nil && int(*m.DataCount) != len(m.Data) {
		d.fail("%d data segments are announced, %d there", *m.DataCount, len(m.Data))
	}
	for _, im := range m.Imports {
		if im.Kind == KindFunction {
			d.index("type", im.Type, len(m.Types))
		}
	}
	for _, t := range m.Functions {
		d.index("type", t, len(m.Types))
	}
	if m.Start != nil {
		d.index("function", *m.Start, m.functions())
	}
	d.checkExports()
	for _, g := range m.Globals {
		d.checkExpr(g.Init)
	}
	for i := range m.Elements {
		d.checkElement(&m.Elements[i])
	}
	for _, s := range m.Data {
		if s.Flags != 1 {
			d.index("memory", s.Memory, m.memories())
			d.checkExpr(s.Offset)
		}
	}
}

func (d *decoder) index(of string, i uint32, n int) {
	if int(i) >= n {
		d.fail("there is no %s %d", of, i)
	}
}

func (d *decoder) checkExports() {
	m := d.m
	have := [...]int{m.functions(), m.tables(), m.memories(), m.globals()}
	what := [...]string{"function", "table", "memory", "global"}
	names := make(map[string]bool, len(m.Exports))
	for _, e := range m.Exports {
		if names[e.Name] {
			d.fail("export %q is there twice", e.Name)
		}
		names[e.Name] = true
		d.index(what[e.Kind], e.Index, have[e.Kind])
	}
}

func (d *decoder) checkExpr(e Expr) {
	switch op, index := e.item(); op {
	case opGlobalGet:
		d.index("global", index, d.m.globals())
	case opRefFunc:
		d.index("function", index, d.m.functions())
	}
}

func (d *decoder) checkElement(e *Element) {
	if e.active() {
		d.index("table", e.Table, d.m.tables())
		d.checkExpr(e.Offset)
	}
	r := reader{b: e.Init}
	for range e.Count {
		if e.Flags&elementExprs != 0 {
			d.checkExpr(r.expr())
		} else {
			d.index("function", r.u32(), d.m.functions())
		}
	}
}
