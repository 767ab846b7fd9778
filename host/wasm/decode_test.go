package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
)

// specModules are the modules of the specification's tests, valid and not.
func specModules(tb testing.TB) (modules [][]byte) {
	tb.Helper()
	for _, version := range []string{"v1", "v2"} {
		files, err := filepath.Glob(filepath.Join(specDir(tb), version, "testdata/*.wasm"))
		if err != nil || len(files) < 1000 {
			tb.Fatalf("%d modules: %v", len(files), err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				tb.Fatal(err)
			}
			modules = append(modules, b)
		}
	}
	return modules
}

// TestDecodeIsNotStricterThanTheCompiler also holds that what Encode writes is the same module.
func TestDecodeIsNotStricterThanTheCompiler(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	accepts := func(b []byte) bool {
		c, err := r.CompileModule(ctx, b)
		if err == nil {
			c.Close(ctx)
		}
		return err == nil
	}
	valid := 0
	for i, b := range specModules(t) {
		want := accepts(b)
		m, err := wasm.Decode(b)
		if want && err != nil {
			t.Errorf("module %d: %v", i, err)
		}
		if err != nil {
			continue
		}
		again := m.Encode()
		if got := accepts(again); got != want {
			t.Errorf("module %d: the compiler accepts it: %v, and after decoding and encoding: %v", i, want, got)
		}
		if third := decode(t, again).Encode(); !bytes.Equal(third, again) {
			t.Errorf("module %d: encoding what was encoded changes it", i)
		}
		if want {
			valid++
		}
	}
	if valid < 2000 {
		t.Errorf("only %d modules are valid", valid)
	}
}

func TestDecodeRefuses(t *testing.T) {
	head := "\x00asm\x01\x00\x00\x00"
	body := func(code ...byte) string { return string(module(0, code).Encode()) }
	for _, tt := range []struct{ name, module, want string }{
		{"nothing", "", "not a core module"},
		{"a component", "\x00asm\x0d\x00\x01\x00", "not a core module"},
		{"a section longer than the module", head + "\x01\xff\xff\xff\xff\x0f", "longer than the module"},
		{"more types than bytes", head + "\x01\x05\xff\xff\xff\xff\x0f", "do not fit"},
		{"a number in too many bytes", head + "\x01\x86\x80\x80\x80\x80\x00", "does not fit into 32 bits"},
		{"sections in the wrong order", head + "\x03\x01\x00\x01\x01\x00", "wrong place"},
		{"a name that is not UTF-8", head + "\x00\x02\x01\xff", "not UTF-8"},
		{"tail calls", body(0x12, 0), "tail calls"},
		{"exceptions", body(0x06, 0x40), "exceptions"},
		{"threads", body(0xfe, 0x03, 0), "threads"},
		{"shared memory", head + "\x05\x04\x01\x03\x01\x01", "threads"},
		{"64 bit memory", head + "\x05\x03\x01\x04\x01", "64 bit"},
		{"two memories", head + "\x05\x05\x02\x00\x01\x00\x01", "more than one"},
		{"garbage collection", head + "\x01\x05\x01\x5f\x01\x7f\x00", "garbage collected"},
		{"extended constants", head + "\x06\x09\x01\x7f\x00\x41\x01\x41\x01\x6a\x0b", "more than one instruction"},
		{"typed references", body(0x14, 0), "typed references"},
		{"relaxed SIMD", body(0xfd, 0x80, 0x02), "unknown"},
		{"a vector instruction in a long form", body(0xfd, 0x8e, 0x81, 0x00), "shortest"},
		{"a global that Meter would add", body(0x23, 0, 0x1a), "no global 0"},
		{"a function that Meter would add", body(0x10, 1), "no function 1"},
		{"a label that is not there", body(0x0c, 1), "no label 1"},
		{"else without if", body(0x02, 0x40, 0x05, 0x0b), "else without if"},
		{"code after the end", body(0x0b, 0x01), "after the end"},
	} {
		_, err := wasm.Decode([]byte(tt.module))
		var syntax *wasm.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(syntax.Reason, tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestDecodeOfATruncatedModule cuts a real module in many places.
func TestDecodeOfATruncatedModule(t *testing.T) {
	b := guest(t)
	step := 7919
	if testing.Short() {
		step = 79_193
	}
	for n := 0; n < len(b); n += step {
		if m, err := wasm.Decode(b[:n]); err == nil && len(m.Data) > 0 {
			t.Errorf("%d of %d bytes are a module with data", n, len(b))
		}
	}
	for n := range 2000 { // every place in the sections before the code
		if _, err := wasm.Decode(b[:n]); err == nil && n > 8 {
			if m, _ := wasm.Decode(b[:n]); len(m.Functions) > 0 {
				t.Errorf("%d bytes are a module with functions", n)
			}
		}
	}
}

// proportion is how many bytes Decode may allocate for one byte of a module.
const proportion = 64

func FuzzDecode(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := wasm.Decode(b)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(proportion*len(b)+1<<17) {
			t.Errorf("%d bytes took %d", len(b), used)
		}
		if err != nil {
			return
		}
		once := m.Encode()
		if twice := decode(t, once).Encode(); !bytes.Equal(once, twice) {
			t.Error("encoding what was encoded changes it")
		}
	})
}

func FuzzVet(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wasm.Decode(b)
		if err != nil {
			return
		}
		var refused *wasm.RefusedError
		err = m.Vet(wasm.Bounds{BodyBytes: 1000, Carried: 1000})
		if err != nil && !errors.As(err, &refused) && !errors.Is(err, wasm.ErrReserved) {
			t.Error(err)
		}
		m.CapTables(1000)
		decode(t, m.Encode())
	})
}

// FuzzMeter holds that a module is valid after metering exactly if it was before.
func FuzzMeter(f *testing.F) {
	seed(f)
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wasm.Decode(b)
		if err != nil || m.Vet(wasm.Bounds{BodyBytes: 10_000, Locals: 1000}) != nil {
			return
		}
		out, err := wasm.Meter(m, wasm.Metering{Fuel: 1, Depth: 1, Switches: 1})
		if err != nil {
			t.Fatal(err)
		}
		m.Customs = nil // Meter drops them, and the compiler takes offence at some
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
		defer r.Close(ctx)
		_, plain := r.CompileModule(ctx, m.Encode())
		_, metered := r.CompileModule(ctx, out.Encode())
		if (plain == nil) != (metered == nil) {
			t.Errorf("plain: %v, metered: %v", plain, metered)
		}
	})
}

// seed gives a fuzz target small modules of the specification's tests.
func seed(f *testing.F) {
	for i, b := range specModules(f) {
		if i%37 == 0 && len(b) < 2000 {
			f.Add(b)
		}
	}
	f.Add(small())
}

// TestDecodeTakesMemoryInProportion gives it much of what is small in a module.
func TestDecodeTakesMemoryInProportion(t *testing.T) {
	const n = 100_000
	empty := []byte{0x41, 0, 0x0b}
	for _, tt := range []struct {
		name   string
		module *wasm.Module
	}{
		{"types", &wasm.Module{Types: make([]wasm.FuncType, n)}},
		{"functions", &wasm.Module{Types: make([]wasm.FuncType, 1), Functions: make([]uint32, n),
			Bodies: slices.Repeat([]wasm.Body{{Code: []byte{0x0b}}}, n)}},
		{"globals", &wasm.Module{Globals: slices.Repeat([]wasm.Global{{GlobalType: wasm.GlobalType{Type: wasm.I32}, Init: empty}}, n)}},
		{"imports", &wasm.Module{Types: make([]wasm.FuncType, 1), Imports: make([]wasm.Import, n)}},
		{"data segments", &wasm.Module{Memories: make([]wasm.Limits, 1), Data: slices.Repeat([]wasm.Data{{Offset: empty}}, n)}},
		{"element segments", &wasm.Module{Elements: slices.Repeat([]wasm.Element{{Flags: 1}}, n)}},
		{"elements", &wasm.Module{Types: make([]wasm.FuncType, 1), Functions: make([]uint32, 1), Bodies: []wasm.Body{{Code: []byte{0x0b}}},
			Elements: []wasm.Element{{Flags: 1, Count: n, Init: make([]byte, n)}}}},
		{"custom sections", &wasm.Module{Customs: make([]wasm.Custom, 1000)}},
		{"locals that are said to be there", module(50_000_000, nil)},
		{"runs of locals", &wasm.Module{Types: make([]wasm.FuncType, 1), Functions: make([]uint32, 1),
			Bodies: []wasm.Body{{Locals: slices.Repeat([]wasm.Local{{Type: wasm.I32}}, n), Code: []byte{0x0b}}}}},
	} {
		b := tt.module.Encode()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := wasm.Decode(b)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(proportion*len(b)+1<<17) {
			t.Errorf("%s: %d bytes took %d", tt.name, len(b), used)
		}
	}
}
