package wasm_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/host/wasm"
)

func TestSnapshot(t *testing.T) {
	mutable := func(v wasm.ValueType, init ...byte) wasm.Global {
		return wasm.Global{GlobalType: wasm.GlobalType{Type: v, Mutable: true}, Init: init}
	}
	table := []wasm.Table{{Type: wasm.FuncRef, Limits: wasm.Limits{Min: 1}}}
	for _, tt := range []struct {
		name, reason string
		change       func(*wasm.Module)
	}{
		{"memory and numbers can be copied", "", func(*wasm.Module) {}},
		{"table.set changes a table", "function 0 changes a table", func(m *wasm.Module) {
			m.Tables, m.Bodies[0].Code = table, []byte{0x41, 0, 0xd0, 0x70, 0x26, 0, 0x0b}
		}},
		{"data.drop changes a segment", "function 0 drops a segment", func(m *wasm.Module) {
			one := uint32(1)
			m.DataCount, m.Data, m.Bodies[0].Code = &one, []wasm.Data{{Flags: 1}}, []byte{0xfc, 9, 0, 0x0b}
		}},
		{"a reference is no number", "mutable global", func(m *wasm.Module) {
			m.Globals = append(m.Globals, mutable(wasm.FuncRef, 0xd0, 0x70, 0x0b))
		}},
		{"another's memory cannot be copied", "imports a memory", func(m *wasm.Module) {
			m.Memories, m.Imports = nil, []wasm.Import{{Module: "a", Name: "b", Kind: wasm.KindMemory}}
		}},
		{"without memory there is nothing to copy", "no memory", func(m *wasm.Module) { m.Memories = nil }},
	} {
		m := module(0, nil)
		m.Globals = []wasm.Global{{GlobalType: wasm.GlobalType{Type: wasm.I32}, Init: []byte{0x41, 0, 0x0b}}, mutable(wasm.I64, 0x42, 0, 0x0b)}
		tt.change(m)
		globals, reason := decode(t, m.Encode()).Snapshot()
		if tt.reason == "" && (reason != "" || !slices.Equal(globals, []uint32{1})) {
			t.Errorf("%s: globals %v, reason %q", tt.name, globals, reason)
		}
		if tt.reason != "" && !strings.Contains(reason, tt.reason) {
			t.Errorf("%s: reason %q", tt.name, reason)
		}
	}
}
