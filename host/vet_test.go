package host_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

func TestRefused(t *testing.T) {
	ok := func() *module { return newModule().export(abi.OnStream, i32(0)) }
	with := func(change func(*module)) []byte {
		m := ok()
		change(m)
		return m.bytes()
	}
	importing := func(module, name, signature string) []byte {
		m := newModule()
		m.importedAs(module, name, signature)
		return m.export(abi.OnStream, i32(0)).bytes()
	}
	exiting := func(how func(m *module, code []byte)) []byte {
		m := newModule()
		exit := m.importedAs(abi.WASI, "proc_exit", "i:")
		how(m, slices.Concat(i32(0), call(exit)))
		return m.export(abi.OnStream, i32(0)).bytes()
	}
	section2 := func(content ...byte) []byte { // an import section of one
		body := slices.Concat([]byte{1}, str("millrace_v1"), str("memory"), content)
		return slices.Concat([]byte("\x00asm\x01\x00\x00\x00\x02"), leb(len(body)), body)
	}
	for _, tt := range []struct {
		name, want string
		wasm       []byte
	}{
		{"nothing", "not a WebAssembly module", nil},
		{"something else", "not a WebAssembly module", []byte("#!/bin/sh\necho")},
		{"a magic alone", "not a core module of version 1", []byte("\x00asm\x01")},
		{"a component", "not a core module of version 1", []byte("\x00asm\x0d\x00\x01\x00")},
		{"a header alone", `does not export its memory as "memory"`, []byte("\x00asm\x01\x00\x00\x00")},
		{"a section longer than the module", "section 1 of 127 bytes is longer than the module", []byte("\x00asm\x01\x00\x00\x00\x01\x7f")},
		{"a length that does not end", "number does not fit", []byte("\x00asm\x01\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff")},
		{"a section with more items than any module has", "268435455 functions do not fit into 0 bytes", []byte("\x00asm\x01\x00\x00\x00\x03\x04\xff\xff\xff\x7f")},
		{"a section with too few bytes for its items", "127 functions do not fit into 1 bytes", []byte("\x00asm\x01\x00\x00\x00\x03\x02\x7f\x00")},
		{"a section with too many bytes for its items", "section 3 has 1 bytes too many", []byte("\x00asm\x01\x00\x00\x00\x03\x02\x00\x00")},
		{"a section twice", "there twice", []byte("\x00asm\x01\x00\x00\x00\x03\x01\x00\x03\x01\x00")},
		{"too many bytes", "module has 4096 bytes, the limit is 4000", make([]byte, 4096)},

		{"an unknown function", `"millrace_v1"."fork": there is no such function`, importing(abi.Module, "fork", ":i")},
		{"an unknown WASI function", `"wasi_snapshot_preview1"."fork": there is no such function`, importing(abi.WASI, "fork", ":i")},
		{"an unknown module", `"env"."abort": modules import from millrace_v1 and wasi_snapshot_preview1 only`, importing("env", "abort", ":")},
		{"another version of ours", `"millrace_v2"."send"`, importing("millrace_v2", "send", "iiiiii:i")},
		{"another signature", `"millrace_v1"."send" is declared as (i32, i32) -> i32, but is (i32, i32, i32, i32, i32, i32) -> i32`, importing(abi.Module, "send", "ii:i")},
		{"another signature of WASI", `"wasi_snapshot_preview1"."proc_exit" is declared as (i64), but is (i32)`, importing(abi.WASI, "proc_exit", "l:")},
		{"an imported memory", `"millrace_v1"."memory" is not a function`, section2(2, 0, 1)},
		{"an imported table", `"millrace_v1"."memory" is not a function`, section2(1, 0x70, 0, 1)},
		{"an imported global", `"millrace_v1"."memory" is not a function`, section2(3, 0x7f, 0)},
		{"an import of no kind", `0x9 is no kind of import`, section2(9)},

		{"no exported memory", `does not export its memory`, with(func(m *module) { m.memory = "" })},
		{"memory under another name", `does not export its memory`, with(func(m *module) { m.memory = "mem" })},
		{"a function called memory", `does not export its memory`, with(func(m *module) { m.memory = ""; m.export("memory", i32(0)) })},
		{"an exported memory that is not there", `there is no memory 0`, with(func(m *module) { m.noMemory = true })},
		{"too much memory", "memory starts with 196608 bytes, the limit is 131072", with(func(m *module) { m.pages = 3 })},
		{"more memory than there can be", "a memory of more than 65536 pages", with(func(m *module) { m.pages = 1 << 31 })},

		{"too large a table", "tables start with 268435456 entries, the limit is 262144", with(func(m *module) { m.table = 1 << 28 })},
		{"a shared memory", "shared", []byte("\x00asm\x01\x00\x00\x00\x05\x04\x01\x03\x01\x02")},

		{"no callback", "exports none of the callbacks onStream, onEvent, onRequestStart, onChunk, onComplete, onError; export one of them as a function () -> i32, which in Go is //go:wasmexport onEvent", newModule().export("run", i32(0)).bytes()},
		{"a callback with a parameter", `export "onEvent" is a function (i32) -> i32, but must be () -> i32`, with(func(m *module) { m.exportAs(abi.OnEvent, "i:i", i32(0)) })},
		{"a callback without result", `export "onError" is a function (), but must be () -> i32`, with(func(m *module) { m.exportAs(abi.OnError, ":") })},
		{"a callback with a long result", `but must be () -> i32`, with(func(m *module) { m.exportAs(abi.OnChunk, ":l", i64(0)) })},
		{"a memory called as a callback", `export "onEvent" is not a function`, with(func(m *module) { m.exports = append(m.exports, moduleExport{abi.OnEvent, 2, 0}) })},
		{"an export twice", `export "onStream" is there twice`, with(func(m *module) { m.export(abi.OnStream, i32(0)) })},
		{"an initializer with a result", `export "_initialize" is a function () -> i32, but must be ()`, with(func(m *module) { m.export(abi.Initialize, i32(0)) })},
		{"an export of a function that is not there", "there is no function 99", with(func(m *module) { m.exports = append(m.exports, moduleExport{abi.OnEvent, 0, 99}) })},

		{"code that is not valid", "module is not valid: ", newModule().export(abi.OnStream, i64(0)).bytes()},
		{"a section of no kind", "module is not valid: ", with(func(m *module) { m.extra = []byte{99, 0} })},
		{"data outside of memory", "module does not start: ", with(func(m *module) { m.data = make([]byte, 62<<10) })},
		{"a start function that traps", "module does not start: unreachable", with(func(m *module) { m.start = m.function(":", 0, unreachable) })},
		{"a start function that exits", "module does not start: exit code 0", exiting(func(m *module, code []byte) { m.start = m.function(":", 0, code) })},
		{"an initializer that exits", "module does not start: exit code 0", exiting(func(m *module, code []byte) { m.exportAs(abi.Initialize, ":", code) })},
		{"an initializer that traps", "module does not start: unreachable", with(func(m *module) { m.exportAs(abi.Initialize, ":", unreachable) })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := host.Config{MemoryBytes: 2 << 16}
			if tt.name == "too many bytes" {
				c.ModuleBytes = 4000
			}
			h := newHost(t, c)
			_, err := h.Prepare(t.Context(), tt.wasm)
			var refused *host.RefusedError
			if !errors.As(err, &refused) {
				t.Fatalf("error is %v, want a refusal", err)
			}
			if !strings.Contains(refused.Reason, tt.want) || strings.Contains(refused.Reason, "\n") {
				t.Errorf("reason is %q, want it to tell %q in a line", refused.Reason, tt.want)
			}
			if refused.TooBig != (c.ModuleBytes != 0) {
				t.Errorf("TooBig is %v", refused.TooBig)
			}
			if s := h.Stats(); s.Modules != 0 || s.Instances != 0 {
				t.Errorf("it left %d modules and %d instances", s.Modules, s.Instances)
			}
		})
	}
}

func TestRefusalTellsWhatTheModuleWrote(t *testing.T) {
	m := newModule()
	log := m.imported("log")
	m.exportAs(abi.Initialize, ":", i32(3), m.text("no such luck"), call(log), drop, unreachable)
	_, err := newHost(t, host.Config{}).Prepare(t.Context(), m.export(abi.OnStream, i32(0)).bytes())
	var refused *host.RefusedError
	if !errors.As(err, &refused) || refused.Output != "no such luck\n" || refused.Reason != "module does not start: unreachable" {
		t.Errorf("error is %#v", err)
	}
}

// TestTruncated prepares a module cut off at every byte.
func TestTruncated(t *testing.T) {
	h := newHost(t, host.Config{})
	m := newModule()
	m.imported("close")
	whole := m.export(abi.OnStream, call(0)).bytes()
	for n := range whole {
		p, err := h.Prepare(t.Context(), whole[:n])
		var refused *host.RefusedError
		if !errors.As(err, &refused) {
			t.Errorf("%d bytes of %d: error is %v, want a refusal", n, len(whole), err)
		}
		if err == nil {
			p.Release()
		}
	}
}

// FuzzPrepare looks for bytes that do anything but prepare or be refused.
func FuzzPrepare(f *testing.F) {
	f.Add(using(abi.OnStream, use{"send", []any{"data", "name", "id"}}).bytes())
	f.Add(newModule().export(abi.OnEvent, i32(1)).bytes())
	h := newHost(f, host.Config{ModuleBytes: 4096, MemoryBytes: 1 << 17})
	f.Fuzz(func(t *testing.T, wasm []byte) {
		p, err := h.Prepare(t.Context(), wasm)
		var refused *host.RefusedError
		switch {
		case err == nil:
			p.Release()
		case !errors.As(err, &refused):
			t.Errorf("error is %v, want a refusal", err)
		}
	})
}

func TestInfo(t *testing.T) {
	producers := func(field, value string) func(*module) {
		return func(m *module) {
			m.extra = custom("producers", leb(1), str(field), leb(1), str(value), str("1.0"))
		}
	}
	exporting := func(names ...string) func(*module) {
		return func(m *module) {
			for _, n := range names {
				m.exportAs(n, ":")
			}
		}
	}
	for _, tt := range []struct {
		name, want string
		change     func(*module)
	}{
		{"nothing tells", "", func(*module) {}},
		{"Go leaves a build id", "go", func(m *module) { m.extra = custom("go:buildid", str("x")) }},
		{"Rust says so", "rust", producers("language", "Rust")},
		{"clang says so", "c", producers("processed-by", "Debian clang version 14")},
		{"AssemblyScript's runtime tells", "assemblyscript", exporting("__new", "__pin")},
		{"producers that are cut off tell nothing", "", func(m *module) { m.extra = custom("producers", leb(9), str("language")) }},
	} {
		m := using(abi.OnStream, use{"send", []any{"", "", ""}}, use{"close", nil}, use{"close", nil})
		m.export(abi.OnError, i32(0)).export(abi.OnEvent, i32(0)).export("other", i32(0))
		tt.change(m)
		wasm := m.bytes()
		p, err := newHost(t, host.Config{}).Prepare(t.Context(), wasm)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		info := p.Info()
		if info.Language != tt.want {
			t.Errorf("%s: language is %q, want %q", tt.name, info.Language, tt.want)
		}
		if want := []string{abi.OnStream, abi.OnEvent, abi.OnError}; !slices.Equal(info.Exports, want) {
			t.Errorf("%s: exports are %v, want %v", tt.name, info.Exports, want)
		}
		if want := []string{"close", "kvPut", "send"}; !slices.Equal(info.Imports, want) {
			t.Errorf("%s: imports are %v, want %v", tt.name, info.Imports, want)
		}
		if info.Size != len(wasm) || len(info.Digest) != len("sha256:")+64 {
			t.Errorf("%s: size and digest are %d and %s", tt.name, info.Size, info.Digest)
		}
	}
}
