package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// outline is what a module's sections declare, without its code: enough to refuse most modules
// before any byte reaches the compiler. It reads only as far as vetting needs; what it accepts may
// still be no valid module.
type outline struct {
	types     []signature
	imports   []imported
	functions []uint32 // type of each function, the imported ones first
	tables    []uint32 // of its own: entries that each starts with
	memories  []uint32 // of its own: pages that each starts with
	exports   map[string]exported
	sections  []string          // names of custom sections
	producers map[string]string // of the section "producers": field and its values' names
}

type imported struct {
	module, name string
	kind         byte
	signature    signature // of a function
}

type exported struct {
	kind  byte
	index uint32
}

// Kinds of imports and exports.
const (
	kindFunction byte = iota
	kindTable
	kindMemory
	kindGlobal
)

// Sections that an outline is made of.
const (
	sectionCustom   = 0
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionTable    = 4
	sectionMemory   = 5
	sectionExport   = 7
)

// maxItems bounds each section that is read. Large modules of real tools have some 30,000 functions
// and hundreds of everything else.
const maxItems = 200_000

var errNotWasm = errors.New("not a WebAssembly module")

// readOutline reads the outline of wasm. Its memory is in proportion to len(wasm).
func readOutline(wasm []byte) (*outline, error) {
	rest, ok := bytes.CutPrefix(wasm, []byte("\x00asm"))
	if !ok || len(rest) < 4 {
		return nil, errNotWasm
	}
	if v := binary.LittleEndian.Uint32(rest); v != 1 {
		return nil, fmt.Errorf("version %#x is not that of a core module, which is 1", v)
	}
	o := &outline{exports: map[string]exported{}, producers: map[string]string{}}
	seen := map[byte]bool{}
	for r := (&reader{rest: rest[4:]}); len(r.rest) > 0 && r.err == nil; {
		id := r.byte()
		if seen[id] {
			return nil, fmt.Errorf("section %d is there twice", id)
		}
		seen[id] = id != sectionCustom
		body := &reader{rest: r.take(r.u32())}
		if r.err != nil {
			return nil, r.err
		}
		if err := o.section(id, body); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (o *outline) section(id byte, r *reader) error {
	var item func(*reader)
	switch id {
	case sectionCustom:
		o.custom(r)
		return nil
	case sectionType:
		item = o.typ
	case sectionImport:
		item = o.imported
	case sectionFunction:
		item = func(r *reader) { o.functions = append(o.functions, r.u32()) }
	case sectionTable:
		item = func(r *reader) { r.byte(); o.tables = append(o.tables, r.least()) }
	case sectionMemory:
		item = func(r *reader) { o.memories = append(o.memories, r.least()) }
	case sectionExport:
		item = o.exported
	default:
		return nil
	}
	n := r.u32()
	if n > maxItems {
		return fmt.Errorf("section %d has %d items, the limit is %d", id, n, maxItems)
	}
	for ; n > 0 && r.err == nil; n-- {
		item(r)
	}
	if r.err == nil && len(r.rest) > 0 {
		return fmt.Errorf("section %d is longer than what it holds", id)
	}
	return r.err
}

func (o *outline) typ(r *reader) {
	if r.byte() != 0x60 {
		r.fail(errors.New("a type is not that of a function"))
	}
	params := r.valueTypes()
	o.types = append(o.types, signature(params+":"+r.valueTypes()))
}

func (o *outline) imported(r *reader) {
	im := imported{module: r.name(), name: r.name(), kind: r.byte()}
	switch im.kind {
	case kindFunction:
		index := r.u32()
		o.functions = append(o.functions, index)
		im.signature = o.typeAt(index)
	case kindTable:
		r.byte()
		r.least()
	case kindMemory:
		r.least()
	case kindGlobal:
		r.take(2)
	default:
		r.fail(fmt.Errorf("import %s.%s is of unknown kind %d", im.module, im.name, im.kind))
	}
	o.imports = append(o.imports, im)
}

func (o *outline) exported(r *reader) {
	name := r.name()
	if _, twice := o.exports[name]; twice {
		r.fail(fmt.Errorf("export %q is there twice", name))
	}
	o.exports[name] = exported{kind: r.byte(), index: r.u32()}
}

// custom reads the names in a custom section that tell what made the module. Nothing in it can be
// wrong: whoever writes it may write what he likes.
func (o *outline) custom(r *reader) {
	name := r.name()
	if r.err != nil || len(o.sections) >= 64 {
		return
	}
	o.sections = append(o.sections, name)
	if name != "producers" {
		return
	}
	for fields := r.u32(); fields > 0 && r.err == nil; fields-- {
		field := r.name()
		for values := r.u32(); values > 0 && r.err == nil; values-- {
			value, _ := r.name(), r.name() // the second is the value's version
			if made := o.producers[field]; len(made) < 1024 {
				o.producers[field] = made + value + " "
			}
		}
	}
}

func (o *outline) typeAt(index uint32) signature {
	if uint64(index) >= uint64(len(o.types)) {
		return "?"
	}
	return o.types[index]
}

// signatureOf is the signature of the function with the index, of all functions.
func (o *outline) signatureOf(function uint32) signature {
	if uint64(function) >= uint64(len(o.functions)) {
		return "?"
	}
	return o.typeAt(o.functions[function])
}
