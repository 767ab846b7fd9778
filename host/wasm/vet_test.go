package wasm_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
)

var long = flag.Bool("long", false, "run the tests that take minutes in full")

// bomb is a module that is small and asks for much.
type bomb struct {
	name, refused string
	module        func(n int) *wasm.Module
	most          int // for which Vet lets it pass
}

// bombs are shapes that were found to take the compiler long or much memory.
var bombs = []bomb{
	{"locals", "locals", func(n int) *wasm.Module { return module(uint32(n), nil) }, 20_000},
	{"locals that live across blocks", "locals and operands times branches", func(n int) *wasm.Module {
		return module(uint32(n), cat(
			repeat(n, func(i int) []byte { return cat(load, []byte{0x21}, leb(i)) }),
			repeat(n, func(i int) []byte { return cat(load, []byte{0x04, 0x40, 0x41, 1, 0x21}, leb(i), []byte{0x0b}) }),
			repeat(n, func(i int) []byte { return cat([]byte{0x20}, leb(i), []byte{0x1a}) })))
	}, 1_000},
	{"locals that live across nested loops", "locals and operands times branches", func(n int) *wasm.Module {
		return module(uint32(n), cat(times(n, 0x03, 0x40),
			repeat(n, func(i int) []byte { return cat([]byte{0x20}, leb(i), []byte{0x41, 1, 0x6a, 0x21}, leb(i)) }),
			times(n, 0x41, 0, 0x2d, 0, 0, 0x0d, 0, 0x0b)))
	}, 288},
	{"operands that live across blocks", "locals and operands times branches", func(n int) *wasm.Module {
		return module(0, cat(times(n, load...), times(n, 0x41, 0, 0x2d, 0, 0, 0x04, 0x40, 0x41, 1, 0x41, 1, 0x3a, 0, 0, 0x0b),
			times(n, 0x1a)))
	}, 1_000},
	{"operands", "operands", func(n int) *wasm.Module {
		return module(0, cat(times(n, load...), times(n, 0x1a)))
	}, 2_000},
	{"loops one after the other", "loops", func(n int) *wasm.Module {
		return module(0, times(n, 0x03, 0x40, 0x41, 0, 0x2d, 0, 0, 0x0d, 0, 0x0b))
	}, 1_000},
	{"loops in each other", "loops", func(n int) *wasm.Module {
		return module(0, cat(times(n, 0x03, 0x40), times(n, 0x41, 0, 0x2d, 0, 0, 0x0d, 0, 0x0b)))
	}, 1_000},
	{"blocks in each other", "blocks in each other", func(n int) *wasm.Module {
		return module(0, cat(times(n, 0x41, 0, 0x2d, 0, 0, 0x04, 0x40), times(n, 0x0b)))
	}, 5_000},
	{"branches to one label", "branches", func(n int) *wasm.Module {
		return module(0, cat([]byte{2, 0x40}, times(n, 0x41, 0, 0x2d, 0, 0, 0x0d, 0), []byte{0x0b}))
	}, 5_999},
	{"targets", "targets of br_table", func(n int) *wasm.Module {
		return module(0, cat([]byte{2, 0x40}, load, []byte{0x0e}, leb(n), make([]byte, n+1), []byte{0x0b}))
	}, 19_999},
	{"code without branches", "bytes of code", func(n int) *wasm.Module {
		return module(0, times(n, 0x41, 0, 0x2d, 0, 0, 0x1a))
	}, 87_381},
	{"values of blocks", "values of blocks and branches", func(n int) *wasm.Module {
		m := module(0, cat(times(100, load...), times(n, 0x03, 1, 0x0b), times(100, 0x1a)))
		types := make([]wasm.ValueType, 100)
		for i := range types {
			types[i] = wasm.I32
		}
		m.Types = append(m.Types, wasm.FuncType{Params: types, Results: types})
		return m
	}, 200},
	{"calls and mutable globals", "mutable globals times calls", func(n int) *wasm.Module {
		m := module(0, cat(repeat(n, func(i int) []byte { return cat([]byte{0x23}, leb(i), []byte{0x24}, leb(i)) }), times(n, 0x10, 1),
			repeat(n, func(i int) []byte { return cat([]byte{0x23}, leb(i), []byte{0x24}, leb(i)) })))
		m.Functions = append(m.Functions, 0)
		m.Bodies = append(m.Bodies, wasm.Body{Code: []byte{0x0b}})
		for range n {
			m.Globals = append(m.Globals, wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.I32, Mutable: true}, Init: []byte{0x41, 0, 0x0b}})
		}
		return m
	}, 707},
	{"functions", "functions", func(n int) *wasm.Module {
		m := module(0, nil)
		for len(m.Functions) < n {
			m.Functions = append(m.Functions, 0)
			m.Bodies = append(m.Bodies, wasm.Body{Code: []byte{0x0b}})
		}
		return m
	}, 100_000},
	{"types", "types", func(n int) *wasm.Module {
		m := module(0, nil)
		m.Types = make([]wasm.FuncType, n)
		return m
	}, 20_000},
	{"functions that are each as bad as may be", "compile work", func(n int) *wasm.Module {
		m := module(0, nil)
		code := cat([]byte{2, 0x40}, times(5_000, 0x41, 0, 0x2d, 0, 0, 0x0d, 0), []byte{0x0b, 0x0b})
		for range n {
			m.Functions = append(m.Functions, 0)
			m.Bodies = append(m.Bodies, wasm.Body{Code: code})
		}
		return m
	}, 31},
	{"entries of tables", "table entries", func(n int) *wasm.Module {
		m := module(0, nil)
		m.Tables = []wasm.Table{{Type: wasm.FuncRef, Limits: wasm.Limits{Min: uint32(n)}}}
		return m
	}, 1 << 18},
	{"pages of memory", "pages of memory", func(n int) *wasm.Module {
		m := module(0, nil)
		m.Memories[0].Min = uint32(n)
		return m
	}, 1024},
	{"parameters", "parameters in a type", func(n int) *wasm.Module {
		m := module(0, nil)
		p := make([]wasm.ValueType, n)
		for i := range p {
			p[i] = wasm.I64
		}
		m.Types = append(m.Types, wasm.FuncType{Params: p})
		return m
	}, 256},
	{"names of exports", "bytes in the name of an export", func(n int) *wasm.Module {
		m := module(0, nil)
		m.Exports[0].Name = strings.Repeat("x", n)
		return m
	}, 4_096},
}

func TestVetRefusesWhatIsTooMuch(t *testing.T) {
	for _, b := range bombs {
		if err := decode(t, b.module(b.most).Encode()).Vet(wasm.Bounds{}); err != nil {
			t.Errorf("%s: %d: %v", b.name, b.most, err)
		}
		err := decode(t, b.module(b.most+1).Encode()).Vet(wasm.Bounds{})
		var refused *wasm.RefusedError
		if !errors.As(err, &refused) || refused.What != b.refused || refused.Value <= refused.Max {
			t.Errorf("%s: %d: %v, want a refusal for %s", b.name, b.most+1, err, b.refused)
		}
	}
}

func TestVetNamesTheFunction(t *testing.T) {
	m := module(21_000, nil)
	m.Names = []wasm.Name{{Function: 0, Text: []byte("greedy")}}
	err := decode(t, m.Encode()).Vet(wasm.Bounds{})
	if want := `wasm: function 0 ("greedy") has 21000 locals, the limit is 20000`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestVetRefusesReservedNames(t *testing.T) {
	imports := module(0, nil)
	imports.Imports = []wasm.Import{{Module: wasm.MeterModule, Name: wasm.Refill}}
	exports := module(0, nil)
	exports.Exports[0].Name = wasm.FuelExport
	for _, m := range []*wasm.Module{imports, exports} {
		m = decode(t, m.Encode())
		if err := m.Vet(wasm.Bounds{}); !errors.Is(err, wasm.ErrReserved) {
			t.Errorf("Vet: %v", err)
		}
		if _, err := wasm.Meter(m, wasm.Metering{}); !errors.Is(err, wasm.ErrReserved) {
			t.Errorf("Meter: %v", err)
		}
	}
}

// TestVetLetsRealModulesPass looks at a guest of Go's compiler and at those in wazero's module, which
// are of TinyGo's, Rust's and Zig's.
func TestVetLetsRealModulesPass(t *testing.T) {
	if err := decode(t, guest(t)).Vet(wasm.Bounds{}); err != nil {
		t.Error(err)
	}
	files, _ := filepath.Glob(filepath.Join(specDir(t), "../../../imports/wasi_snapshot_preview1/testdata/*/*.wasm"))
	if len(files) < 3 {
		t.Errorf("only %d modules", len(files))
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := decode(t, b).Vet(wasm.Bounds{}); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// BenchmarkWorst compiles what Vet lets pass of each kind that is made to take long.
func BenchmarkWorst(b *testing.B) {
	for _, bomb := range bombs {
		b.Run(bomb.name, func(b *testing.B) {
			code, err := metered(bomb.module(bomb.most).Encode())
			if err != nil {
				b.Fatal(err)
			}
			var megabytes uint64
			for b.Loop() {
				megabytes = compile(b, code)
			}
			b.ReportMetric(float64(megabytes), "MB")
		})
	}
}

// compile compiles a module and returns the memory that it took at most.
func compile(t testing.TB, code []byte) (megabytes uint64) {
	ctx := context.Background()
	runtime.GC()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	defer r.Close(ctx)
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for tick := time.Tick(10 * time.Millisecond); ; {
			select {
			case <-tick:
				var s runtime.MemStats
				runtime.ReadMemStats(&s)
				most = max(most, s.HeapInuse)
			case <-done:
				peak <- most
				return
			}
		}
	}()
	if _, err := r.CompileModule(ctx, code); err != nil {
		t.Error(err)
	}
	close(done)
	return <-peak >> 20
}

func TestCapTables(t *testing.T) {
	m := module(0, nil)
	m.Tables = []wasm.Table{
		{Type: wasm.FuncRef, Limits: wasm.Limits{Min: 10}},
		{Type: wasm.FuncRef, Limits: wasm.Limits{Min: 20, Max: 1 << 30, HasMax: true}},
		{Type: wasm.FuncRef, Limits: wasm.Limits{Min: 30, Max: 31, HasMax: true}},
	}
	m.CapTables(90)
	if got := fmt.Sprint(m.Tables[0].Max, m.Tables[1].Max, m.Tables[2].Max); got != "20 30 31" {
		t.Errorf("the greatest sizes are %s", got)
	}
	m.CapTables(0)
	if got := m.Tables[0].Max; got != 10 {
		t.Errorf("a table that starts with 10 entries may have %d", got)
	}
}
