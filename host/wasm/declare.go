package wasm

func (d *decoder) importItem() Import {
	im := Import{Module: d.name(), Name: d.name()}
	start := d.at
	im.Kind = Kind(d.byte())
	switch im.Kind {
	case KindFunction:
		im.Type = d.u32()
	case KindTable:
		im.Table = d.table()
	case KindMemory:
		im.Memory = d.memory()
	case KindGlobal:
		im.Global = d.globalType()
	case 4:
		d.failAt(start, "exceptions are not supported")
	default:
		d.failAt(start, "%#x is no kind of import", byte(im.Kind))
	}
	if d.err == nil {
		d.m.imported[im.Kind]++
	}
	return im
}

func (d *decoder) table() Table {
	if d.left() > 0 && d.b[d.at] == 0x40 {
		d.fail("tables with an initial value are not supported")
	}
	return Table{d.refType(), d.limits("table")}
}

func (d *decoder) memory() Limits {
	start := d.at
	l := d.limits("memory")
	if l.Min > maxPages || l.HasMax && l.Max > maxPages {
		d.failAt(start, "a memory of more than %d pages", maxPages)
	}
	return l
}

// maxPages is what 32 bits can address.
const maxPages = 1 << 16

func (d *decoder) limits(of string) (l Limits) {
	start := d.at
	switch flags := d.byte(); flags {
	case 0, 1:
		l.HasMax = flags == 1
	case 2, 3:
		d.failAt(start, "a shared %s: threads are not supported", of)
	case 4, 5, 6, 7:
		d.failAt(start, "a 64 bit %s is not supported", of)
	default:
		d.failAt(start, "%#x are no flags of a %s", flags, of)
	}
	l.Min = d.u32()
	if l.HasMax {
		if l.Max = d.u32(); l.Max < l.Min {
			d.failAt(start, "the least size of a %s is above the greatest", of)
		}
	}
	return l
}

func (d *decoder) globalType() GlobalType {
	t := d.valueType()
	start := d.at
	mutable := d.byte()
	if mutable > 1 {
		d.failAt(start, "%#x does not say whether a global is mutable", mutable)
	}
	return GlobalType{t, mutable == 1}
}

func (d *decoder) export() Export {
	e := Export{Name: d.name()}
	start := d.at
	e.Kind = Kind(d.byte())
	if e.Kind > KindGlobal {
		d.failAt(start, "%#x is no kind of export", byte(e.Kind))
	}
	e.Index = d.u32()
	return e
}
