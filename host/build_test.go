package host_test

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/millrace/millrace/abi"
)

// module builds a wasm module from instructions, for guests that no compiler would make.
type module struct {
	types     []string // signatures: parameters, colon, results; letters are those of abi.Function
	imports   []moduleImport
	functions []moduleFunction
	exports   []moduleExport
	data      []byte // at dataAt
	pages     uint32
	noMemory  bool
	memory    string // the name that the memory is exported by
	start     int    // function index, or -1
	table     int    // entries of a table of empty funcref
	globals   int    // mutable, i32, 0 at first
	extra     []byte // sections appended as they are
}

type moduleImport struct{ module, name, signature string }

type moduleFunction struct {
	signature string
	locals    int // i32
	code      []byte
}

type moduleExport struct {
	name  string
	kind  byte
	index int
}

// dataAt is where a module's strings lie; below it is room for results and buffers.
const dataAt = 4096

func newModule() *module { return &module{pages: 1, memory: abi.Memory, start: -1} }

// imported returns the index of a function of abi.Functions, which it imports. All imports come
// before the first function.
func (m *module) imported(name string) int {
	for i, im := range m.imports {
		if im.name == name {
			return i
		}
	}
	return m.importedAs(abi.Module, name, signatureOf(name))
}

func (m *module) importedAs(module, name, signature string) int {
	if len(m.functions) > 0 {
		panic("import after a function")
	}
	m.imports = append(m.imports, moduleImport{module, name, signature})
	return len(m.imports) - 1
}

func signatureOf(name string) string {
	i := slices.IndexFunc(abi.Functions, func(f abi.Function) bool { return f.Name == name })
	return abi.Functions[i].Params + ":" + string(abi.Functions[i].Result)
}

// function adds a function and returns its index. Its last end is added.
func (m *module) function(signature string, locals int, code ...[]byte) int {
	m.functions = append(m.functions, moduleFunction{signature, locals, slices.Concat(code...)})
	return len(m.imports) + len(m.functions) - 1
}

// export adds a function () -> i32 under the name.
func (m *module) export(name string, code ...[]byte) *module {
	return m.exportAs(name, ":i", code...)
}

func (m *module) exportAs(name, signature string, code ...[]byte) *module {
	m.exports = append(m.exports, moduleExport{name, 0, m.function(signature, 1, code...)})
	return m
}

// text puts s into the module's memory and pushes its address and length.
func (m *module) text(s string) []byte {
	at := dataAt + len(m.data)
	m.data = append(m.data, s...)
	return slices.Concat(i32(at), i32(len(s)))
}

// report is code that takes an i32 from the stack and stores it under the key "r". It needs the
// import of kvPut.
func (m *module) report() []byte {
	return slices.Concat(localSet0, i32(0), []byte{0x20, 0}, []byte{0x36, 2, 0}, // memory[0] = it
		m.text("r"), i32(0), i32(4), i64(0), call(m.imported("kvPut")), drop)
}

// plain gives the module a function that changes a table, so that its instances do not begin with a
// snapshot. All imports come before.
func (m *module) plain() *module {
	m.table = max(m.table, 1)
	m.function(":", 0, i32(0), []byte{0xd0, 0x70, 0x26, 0}) // table.set 0 to null
	return m
}

func (m *module) bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	typeOf := func(signature string) []byte {
		i := slices.Index(m.types, signature)
		if i < 0 {
			i = len(m.types)
			m.types = append(m.types, signature)
		}
		return leb(i)
	}
	var imports, functions, exports, codes [][]byte
	for _, im := range m.imports {
		imports = append(imports, slices.Concat(str(im.module), str(im.name), []byte{0}, typeOf(im.signature)))
	}
	for _, f := range m.functions {
		functions = append(functions, typeOf(f.signature))
		locals := slices.Concat([]byte{1}, leb(f.locals), []byte{0x7f})
		body := slices.Concat(locals, f.code, []byte{0x0b})
		codes = append(codes, slices.Concat(leb(len(body)), body))
	}
	if m.memory != "" {
		exports = append(exports, slices.Concat(str(m.memory), []byte{2, 0}))
	}
	for _, e := range m.exports {
		exports = append(exports, slices.Concat(str(e.name), []byte{e.kind}, leb(e.index)))
	}
	var types [][]byte
	for _, s := range m.types {
		types = append(types, functionType(s))
	}
	out = append(out, section(1, types...)...)
	out = append(out, section(2, imports...)...)
	out = append(out, section(3, functions...)...)
	if m.table > 0 {
		out = append(out, section(4, slices.Concat([]byte{0x70, 0}, leb(m.table)))...)
	}
	if !m.noMemory {
		out = append(out, section(5, slices.Concat([]byte{0}, leb(int(m.pages))))...)
	}
	out = append(out, section(6, slices.Repeat([][]byte{{0x7f, 1, 0x41, 0, 0x0b}}, m.globals)...)...)
	out = append(out, section(7, exports...)...)
	if m.start >= 0 {
		out = append(out, slices.Concat([]byte{8}, str(string(leb(m.start))))...)
	}
	out = append(out, section(10, codes...)...)
	if len(m.data) > 0 {
		out = append(out, section(11, slices.Concat([]byte{0}, i32(dataAt), []byte{0x0b}, str(string(m.data))))...)
	}
	return append(out, m.extra...)
}

func functionType(signature string) []byte {
	types := map[byte]byte{'i': 0x7f, 'l': 0x7e, 'f': 0x7d, 'd': 0x7c}
	out := []byte{0x60}
	part := []byte{}
	for _, c := range []byte(signature + ":") {
		if c == ':' {
			out = slices.Concat(out, leb(len(part)), part)
			part = nil
			continue
		}
		part = append(part, types[c])
	}
	return out
}

func section(id byte, items ...[]byte) []byte {
	if len(items) == 0 {
		return nil
	}
	body := slices.Concat(leb(len(items)), slices.Concat(items...))
	return slices.Concat([]byte{id}, leb(len(body)), body)
}

// custom is a custom section.
func custom(name string, content ...[]byte) []byte {
	body := slices.Concat(str(name), slices.Concat(content...))
	return slices.Concat([]byte{0}, leb(len(body)), body)
}

func leb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func str(s string) []byte { return append(leb(len(s)), s...) }

func sleb(v int64) (out []byte) {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

// Instructions.
var (
	drop        = []byte{0x1a}
	unreachable = []byte{0x00}
	localSet0   = []byte{0x21, 0}
	localGet0   = []byte{0x20, 0}
	memoryGrow  = []byte{0x40, 0}
	divide      = []byte{0x6d}
	load        = []byte{0x28, 2, 0}
	truncate    = []byte{0xa8} // i32.trunc_f32_s
	nan         = []byte{0x43, 0, 0, 0xc0, 0x7f}
)

func globalGet(n int) []byte { return append([]byte{0x23}, leb(n)...) }

func globalSet(n int) []byte { return append([]byte{0x24}, leb(n)...) }

func i32(v int) []byte { return append([]byte{0x41}, sleb(int64(int32(uint32(v))))...) }

func i64(v int64) []byte { return append([]byte{0x42}, sleb(v)...) }

func call(function int) []byte { return append([]byte{0x10}, leb(function)...) }

// forever repeats code without end.
func forever(code ...[]byte) []byte {
	return slices.Concat([]byte{0x03, 0x40}, slices.Concat(code...), []byte{0x0c, 0, 0x0b, 0x00})
}

// times repeats code n times. It counts in local 0.
func times(n int, code ...[]byte) []byte {
	return slices.Concat(i32(n), localSet0, []byte{0x03, 0x40}, slices.Concat(code...),
		localGet0, i32(1), []byte{0x6b, 0x22, 0, 0x0d, 0, 0x0b})
}

// use is a call of a host function with constant arguments: integers, and strings, which count for
// two.
type use struct {
	name string
	args []any
}

// using makes a module whose callback makes the calls in turn, reports each result, and returns 0.
func using(callback string, uses ...use) *module {
	m := newModule()
	m.imported("kvPut")
	for _, u := range uses {
		m.imported(u.name)
	}
	return m.export(callback, append(m.uses(uses), i32(0))...)
}

func (m *module) uses(uses []use) (code [][]byte) {
	for _, u := range uses {
		code = append(code, m.use(u), m.report())
	}
	return code
}

// use is the code of one call, which leaves its i32 result on the stack.
func (m *module) use(u use) (code []byte) {
	signature := signatureOf(u.name)
	at := 0
	for _, arg := range u.args {
		switch v := arg.(type) {
		case string:
			code = append(code, m.text(v)...)
			at += 2
		case int:
			if signature[at] == 'l' {
				code = append(code, i64(int64(v))...)
			} else {
				code = append(code, i32(v)...)
			}
			at++
		}
	}
	if signature[at] != ':' {
		panic(fmt.Sprintf("%s takes more than %d arguments", u.name, at))
	}
	code = append(code, call(m.imported(u.name))...)
	if signature[at+1] == 'l' {
		code = append(code, 0xa7) // i32.wrap_i64
	}
	return code
}
