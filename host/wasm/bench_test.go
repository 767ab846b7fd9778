package wasm_test

import (
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// goGuest is testdata/guest, built by Go's compiler once.
var goGuest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "guest.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, "./testdata/guest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, &buildError{string(out), err}
	}
	return os.ReadFile(file)
})

type buildError struct {
	output string
	err    error
}

func (e *buildError) Error() string { return e.err.Error() + ": " + e.output }

func guest(tb testing.TB) []byte {
	tb.Helper()
	b, err := goGuest()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// small is a module of functions written by hand: a tight loop, one with memory, and calls.
func small() []byte {
	i32 := wasm.FuncType{Params: []wasm.ValueType{wasm.I32}, Results: []wasm.ValueType{wasm.I32}}
	run := []wasm.Local{{Count: 1, Type: wasm.I32}}
	return (&wasm.Module{
		Types: []wasm.FuncType{i32}, Functions: []uint32{0, 0, 0, 0}, Memories: []wasm.Limits{{Min: 1}},
		Exports: []wasm.Export{{Name: "loop", Index: 0}, {Name: "bytes", Index: 1}, {Name: "fib", Index: 2}, {Name: "deep", Index: 3}},
		Bodies: []wasm.Body{
			{Locals: run, Code: []byte{ // do sum += n; while --n
				0x03, 0x40, 0x20, 1, 0x20, 0, 0x6a, 0x21, 1,
				0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x20, 1, 0x0b}},
			{Locals: run, Code: []byte{ // do sum = sum*33 ^ mem[n&0xffff]; mem[n&0xffff] = sum; while --n
				0x03, 0x40, 0x20, 1, 0x41, 33, 0x6c, 0x20, 0, 0x41, 0xff, 0xff, 3, 0x71, 0x2d, 0, 0, 0x73, 0x21, 1,
				0x20, 0, 0x41, 0xff, 0xff, 3, 0x71, 0x20, 1, 0x3a, 0, 0,
				0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x20, 1, 0x0b}},
			{Code: []byte{ // n < 2 ? n : fib(n-1) + fib(n-2)
				0x20, 0, 0x41, 2, 0x48, 0x04, 0x40, 0x20, 0, 0x0f, 0x0b,
				0x20, 0, 0x41, 1, 0x6b, 0x10, 2, 0x20, 0, 0x41, 2, 0x6b, 0x10, 2, 0x6a, 0x0b}},
			{Code: []byte{ // n == 0 ? 0 : deep(n-1) + 1
				0x20, 0, 0x45, 0x04, 0x7f, 0x41, 0, 0x05, 0x20, 0, 0x41, 1, 0x6b, 0x10, 3, 0x41, 1, 0x6a, 0x0b, 0x0b}},
		},
	}).Encode()
}

// instance starts a module, with WASI, and grants it fuel without end.
func instance(tb testing.TB, b []byte, c wazero.RuntimeConfig) api.Module {
	tb.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, c)
	tb.Cleanup(func() { r.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	(&meterHost{grant: 1 << 20, left: math.MaxInt}).instantiate(tb, r)
	m, err := r.InstantiateWithConfig(ctx, b, wazero.NewModuleConfig().WithStartFunctions("_initialize"))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// BenchmarkMeter compares a plain module, the metered one and what wazero offers itself: the shortest
// time of each, taken in turns, as the ratio to the plain one.
func BenchmarkMeter(b *testing.B) {
	for _, work := range []struct {
		name, function string
		module         []byte
		arg            uint64
		calls          int // that are timed together
	}{
		{"tight loop", "loop", small(), 100_000, 1},
		{"loop over bytes", "bytes", small(), 100_000, 1},
		{"fib 20", "fib", small(), 20, 1},
		{"Go JSON", "document", guest(b), 10, 1},
		{"Go event of 200 bytes", "event", guest(b), 0, 100},
	} {
		b.Run(work.name, func(b *testing.B) {
			code, err := metered(work.module)
			if err != nil {
				b.Fatal(err)
			}
			config := wazero.NewRuntimeConfigCompiler()
			ways := []*timed{
				{m: instance(b, work.module, config)},
				{m: instance(b, code, config)},
				{m: instance(b, work.module, config.WithCloseOnContextDone(true))},
			}
			for b.Loop() {
				for _, w := range ways {
					w.call(b, work.function, work.arg, work.calls)
				}
			}
			plain := float64(ways[0].least)
			b.ReportMetric(plain/float64(work.calls), "plain-ns")
			b.ReportMetric(float64(ways[1].least)/plain, "metered/plain")
			b.ReportMetric(float64(ways[2].least)/plain, "context/plain")
		})
	}
}

// timed is an instance whose calls are timed.
type timed struct {
	m     api.Module
	f     api.Function
	least time.Duration
}

func (t *timed) call(b *testing.B, function string, arg uint64, calls int) {
	if t.f == nil {
		t.f = t.m.ExportedFunction(function)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stack := make([]uint64, 1)
	start := time.Now()
	for range calls {
		stack[0] = arg
		if err := t.f.CallWithStack(ctx, stack); err != nil {
			b.Fatal(err)
		}
	}
	if d := time.Since(start); t.least == 0 || d < t.least {
		t.least = d
	}
}
