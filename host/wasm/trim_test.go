package wasm_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
)

// holey is a module that calls through its table, at an index that it is given. Function 0 is the
// caller, 1 and 2 answer with their number, 3 has another type.
func holey(entries uint32, segments ...wasm.Element) *wasm.Module {
	m := module(0, nil)
	i32 := []wasm.ValueType{wasm.I32}
	m.Types = []wasm.FuncType{{Params: i32, Results: i32}, {Results: i32}, {}}
	m.Functions = []uint32{0, 1, 1, 2}
	m.Bodies = []wasm.Body{
		{Code: []byte{0x20, 0, 0x11, 1, 0, 0x0b}}, // call_indirect local 0
		{Code: []byte{0x41, 1, 0x0b}}, {Code: []byte{0x41, 2, 0x0b}}, {Code: []byte{0x0b}},
	}
	m.Tables = []wasm.Table{{Type: wasm.FuncRef, Limits: wasm.Limits{Min: entries}}}
	m.Elements = segments
	return m
}

func segment(offset int32, functions ...byte) wasm.Element {
	return wasm.Element{Offset: cat([]byte{0x41}, signed(offset), []byte{0x0b}), Count: uint32(len(functions)), Init: functions}
}

// signed is an i32 in five bytes.
func signed(v int32) []byte {
	return []byte{byte(v) | 0x80, byte(v>>7) | 0x80, byte(v>>14) | 0x80, byte(v>>21) | 0x80, byte(v>>28) & 0x7f}
}

// TestTablesAreTrimmed calls through every entry of tables, and beside them, plain and metered.
func TestTablesAreTrimmed(t *testing.T) {
	exported := holey(5000, segment(4096, 1, 2))
	exported.Exports = append(exported.Exports, wasm.Export{Name: "table", Kind: wasm.KindTable})
	reads := holey(5000, segment(4096, 1, 2))
	reads.Bodies[3].Code = []byte{0xfc, 16, 0, 0x1a, 0x0b} // table.size, drop
	for _, tt := range []struct {
		name    string
		module  *wasm.Module
		entries uint32 // of the metered table
	}{
		{"what lies before the first and behind the last element goes", holey(5000, segment(4096, 1, 2, 3)), 3},
		{"what lies between elements stays", holey(5000, segment(3000, 1), segment(4097, 2, 3), segment(3002, 3)), 1099},
		{"a few entries before the first element stay", holey(100, segment(63, 1, 2, 3)), 66},
		{"a table without elements has no entry", holey(300), 0},
		{"an empty segment fills nothing", holey(300, segment(300)), 0},
		{"a full table stays", holey(3, segment(0, 1, 2, 3)), 3},
		{"a table that others see stays", exported, 5000},
		{"a table whose size is read stays", reads, 5000},
		{"a table that a segment does not fit into stays", holey(200, segment(150, 1), segment(199, 1, 2)), 200},
		{"a segment at a place below zero does not fit", holey(200, segment(-1, 1)), 200},
	} {
		b := tt.module.Encode()
		for switches := range 2 {
			code, err := wasm.Meter(decode(t, b), wasm.Metering{Fuel: 1 << 40, Depth: 1 << 40, Switches: switches})
			if err != nil {
				t.Fatal(err)
			}
			want := tt.entries
			if switches == 1 && 1 < want && want < tt.module.Tables[0].Min || switches == 1 && strings.HasPrefix(tt.name, "a full") {
				want = 1 // it is replaced
			}
			if got := code.Tables[0].Min; got != want {
				t.Errorf("%s: the table has %d entries, want %d", tt.name, got, want)
			}
			compareCalls(t, tt.name, tt.module.Tables[0].Min, b, code.Encode())
		}
	}
}

func compareCalls(t *testing.T, name string, entries uint32, plain, metered []byte) {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	(&meterHost{grant: 1 << 40, left: 1}).instantiate(t, r)
	call := func(b []byte) func(uint32) string {
		m, err := anonymous(r, b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f := m.ExportedFunction("run")
		return func(index uint32) string {
			result, err := f.Call(ctx, uint64(index))
			reason, _, _ := strings.Cut(fmt.Sprint(err), "\n")
			return fmt.Sprint(result, reason)
		}
	}
	want, got := call(plain), call(metered)
	indices := []uint32{entries, entries + 1, 1 << 20, 1 << 31, 1<<31 + 4096, math.MaxUint32 - 4096, math.MaxUint32 - 1, math.MaxUint32}
	for i := range entries {
		indices = append(indices, i)
	}
	for _, i := range indices {
		if a, b := want(i), got(i); a != b {
			t.Errorf("%s: entry %d: plain %s, metered %s", name, i, a, b)
		}
	}
}
