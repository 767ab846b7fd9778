package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
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

// signature is a function's type as text: a letter for each parameter, a colon, one for each result.
// Letters are those of abi.Function; other types than i32 and i64 have letters of their own.
type signature string

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

var (
	errNotWasm   = errors.New("not a WebAssembly module")
	errTruncated = errors.New("ends in the middle of a section")
)

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
	for r := (&reader{rest: rest[4:]}); len(r.rest) > 0 && r.err == nil; {
		id := r.byte()
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

// String is the signature as abi.Function writes it, without the name.
func (s signature) String() string {
	params, results, _ := strings.Cut(string(s), ":")
	text := "(" + typeNames(params) + ")"
	if results != "" {
		text += " -> " + typeNames(results)
	}
	return text
}

func typeNames(letters string) string {
	names := make([]string, len(letters))
	for i := range letters {
		switch letters[i] {
		case 'i':
			names[i] = "i32"
		case 'l':
			names[i] = "i64"
		case 'f':
			names[i] = "f32"
		case 'd':
			names[i] = "f64"
		case 'v':
			names[i] = "v128"
		default:
			names[i] = "ref"
		}
	}
	return strings.Join(names, ", ")
}

// reader reads a module's bytes. Its first error stays; after it every value is zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.rest = err, nil
	}
}

func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.rest)) {
		r.fail(errTruncated)
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u32() uint32 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > 5 || v > 1<<32-1 {
		r.fail(errTruncated)
		return 0
	}
	r.rest = r.rest[n:]
	return uint32(v)
}

func (r *reader) name() string {
	b := r.take(r.u32())
	if !utf8.Valid(b) {
		r.fail(errors.New("a name is not UTF-8"))
		return ""
	}
	return string(b)
}

// least reads the limits of a table or memory and returns the lower one.
func (r *reader) least() uint32 {
	flag := r.byte()
	if flag > 1 {
		r.fail(errors.New("shared and 64-bit memories and tables are not supported"))
	}
	least := r.u32()
	if flag == 1 {
		r.u32()
	}
	return least
}

func (r *reader) valueTypes() string { return letters(r.take(r.u32())) }

// letters are the letters of a signature for value types as the binary format has them.
func letters(types []byte) string {
	text := bytes.Clone(types)
	for i, t := range types {
		switch t {
		case 0x7f:
			text[i] = 'i'
		case 0x7e:
			text[i] = 'l'
		case 0x7d:
			text[i] = 'f'
		case 0x7c:
			text[i] = 'd'
		case 0x7b:
			text[i] = 'v'
		default:
			text[i] = 'r'
		}
	}
	return string(text)
}
