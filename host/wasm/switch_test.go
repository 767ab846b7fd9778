package wasm_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/millrace/millrace/host/wasm"
)

// TestSwitchesOfLargeTables calls through tables that one br_table does not cover.
func TestSwitchesOfLargeTables(t *testing.T) {
	functions := func(n int) []byte {
		all := make([]byte, n)
		for i := range all {
			all[i] = byte(1 + i%3)
		}
		return all
	}
	expressions := wasm.Element{Flags: 4, Kind: byte(wasm.FuncRef), Offset: []byte{0x41, 2, 0x0b}, Count: 3,
		Init: []byte{0xd2, 2, 0x0b, 0xd0, 0x70, 0x0b, 0xd2, 3, 0x0b}}
	for _, tt := range []struct {
		name   string
		module *wasm.Module
	}{
		{"as large as one br_table", holey(5000, segment(500, functions(4096)...))},
		{"larger by one", holey(5000, segment(500, functions(4097)...))},
		{"of several, the last not full, with holes", holey(14000, segment(64, functions(5000)...), segment(9000, functions(4990)...))},
		{"a later segment hides an earlier one", holey(10, segment(1, functions(9)...), segment(3, 3, 3, 3), segment(4, 1))},
		{"of expressions, some of them null", holey(6, segment(1, 1, 1, 1), expressions)},
	} {
		b := tt.module.Encode()
		code, err := wasm.Meter(decode(t, b), wasm.Metering{Fuel: 1 << 40, Depth: 1 << 40, Switches: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := code.Tables[0].Min; got != 1 {
			t.Errorf("%s: the table has %d entries, want 1", tt.name, got)
		}
		compareCalls(t, tt.name, tt.module.Tables[0].Min, b, code.Encode())
	}
}

// TestWhatIsNotSwitched leaves tables as they are where switches would cost too much, or would make a
// module valid that is not.
func TestWhatIsNotSwitched(t *testing.T) {
	types := holey(5000, segment(0, make([]byte, 5000)...))
	for range 200 {
		types.Types = append(types.Types, wasm.FuncType{})
	}
	arguments := holey(3000, segment(0, bytes.Repeat([]byte{3}, 3000)...))
	arguments.Types[2].Params = slices.Repeat([]wasm.ValueType{wasm.I32}, 200)
	outer := holey(3, wasm.Element{Flags: 4, Kind: byte(wasm.FuncRef), Offset: []byte{0x41, 0, 0x0b}, Count: 1, Init: []byte{0x23, 0, 0x0b}})
	outer.Globals = []wasm.Global{{GlobalType: wasm.GlobalType{Type: wasm.FuncRef}, Init: []byte{0xd2, 1, 0x0b}}}
	foreign := holey(3, wasm.Element{Flags: 6, Kind: byte(wasm.ExternRef), Offset: []byte{0x41, 0, 0x0b}, Count: 1, Init: []byte{0xd0, 0x6f, 0x0b}})
	for _, tt := range []struct {
		name   string
		module *wasm.Module
		least  int
	}{
		{"a table with few functions", holey(300, segment(0, 1, 2, 3)), 4},
		{"what is not asked for", holey(300, segment(0, 1, 2, 3)), 0},
		{"a large table in a module of many types", types, 1},
		{"a large table of functions that take much", arguments, 1},
		{"a table with what a global holds", outer, 1},
		{"a table with references to something else", foreign, 1},
	} {
		m := decode(t, tt.module.Encode())
		code, err := wasm.Meter(m, wasm.Metering{Fuel: 1, Depth: 1, Switches: tt.least})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := len(code.Elements), len(m.Elements); got != want {
			t.Errorf("%s: it has %d segments, want %d", tt.name, got, want)
		}
	}
}
