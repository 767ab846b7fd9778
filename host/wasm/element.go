package wasm

// Flags of an element segment.
const (
	elementNotActive = 1
	elementExplicit  = 2 // a table's index, or declarative where it is not active
	elementExprs     = 4
)

func (e *Element) active() bool { return e.Flags&elementNotActive == 0 }

// hasKind tells whether the kind of what the segment holds is written down.
func (e *Element) hasKind() bool { return e.Flags&(elementNotActive|elementExplicit) != 0 }

func (d *decoder) element() (e Element) {
	start := d.at
	if e.Flags = d.u32(); e.Flags > 7 {
		d.failAt(start, "%d are no flags of an element segment", e.Flags)
	}
	if e.active() {
		if e.Flags&elementExplicit != 0 {
			e.Table = d.u32()
		}
		e.Offset = d.expr()
	}
	exprs := e.Flags&elementExprs != 0
	switch {
	case exprs && e.hasKind():
		e.Kind = byte(d.refType())
	case exprs:
		e.Kind = byte(FuncRef)
	case e.hasKind():
		if kind := d.byte(); kind != 0 {
			d.fail("%#x is no kind of element", kind)
		}
	}
	n := int(d.u32())
	if n > d.left() {
		d.fail("%d elements do not fit into %d bytes", n, d.left())
		return e
	}
	e.Count = uint32(n)
	from := d.at
	for ; n > 0 && d.err == nil; n-- {
		if exprs {
			d.expr()
		} else {
			d.u32()
		}
	}
	if d.err == nil {
		e.Init = d.b[from:d.at:d.at]
	}
	return e
}
