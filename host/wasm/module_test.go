package wasm_test

import (
	"bytes"
	"testing"

	"github.com/millrace/millrace/host/wasm"
)

// module is a module of one function () -> (), exported as "run", with a page of memory. The end is
// added to its code.
func module(locals uint32, code []byte) *wasm.Module {
	m := &wasm.Module{
		Types: []wasm.FuncType{{}}, Functions: []uint32{0}, Memories: []wasm.Limits{{Min: 1}},
		Exports: []wasm.Export{{Name: "run"}},
		Bodies:  []wasm.Body{{Code: append(bytes.Clone(code), 0x0b)}},
	}
	if locals > 0 {
		m.Bodies[0].Locals = []wasm.Local{{Count: locals, Type: wasm.I32}}
	}
	return m
}

func decode(tb testing.TB, b []byte) *wasm.Module {
	tb.Helper()
	m, err := wasm.Decode(b)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func repeat(n int, part func(i int) []byte) (all []byte) {
	for i := range n {
		all = append(all, part(i)...)
	}
	return all
}

func times(n int, part ...byte) []byte { return bytes.Repeat(part, n) }

// leb is v as unsigned LEB128.
func leb(v int) (b []byte) {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// load pushes a number that the compiler cannot know.
var load = []byte{0x41, 0, 0x2d, 0, 0}
