package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

var errFuel, errDepth = errors.New("out of fuel"), errors.New("too many calls")

// meterHost gives metered modules their imports. It grants fuel as long as there is some.
type meterHost struct {
	grant   int64 // at once
	left    int   // grants until it traps
	refills int
	fuel    int64 // that was left in the end
}

func (h *meterHost) instantiate(tb testing.TB, r wazero.Runtime) {
	tb.Helper()
	_, err := r.NewHostModuleBuilder(wasm.MeterModule).
		NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
		h.refills++
		if h.left--; h.left < 0 {
			panic(errFuel)
		}
		stack[0] = uint64(h.grant)
	}), nil, []api.ValueType{api.ValueTypeI64}).Export(wasm.Refill).
		NewFunctionBuilder().WithGoFunction(api.GoFunc(func(context.Context, []uint64) { panic(errDepth) }), nil, nil).
		Export(wasm.Overflow).Instantiate(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
}

// metered rewrites a module with plenty of fuel and depth.
func metered(b []byte) ([]byte, error) {
	m, err := wasm.Decode(b)
	if err != nil {
		return nil, err
	}
	if m, err = wasm.Meter(m, wasm.Metering{Fuel: 1 << 40, Depth: 10_000, Switches: 1}); err != nil {
		return nil, err
	}
	return m.Encode(), nil
}

// run starts a metered module with little fuel and calls one of its functions. It returns what the
// host was asked for, too.
func run(t *testing.T, m *wasm.Module, h *meterHost, depth int64, function string, args ...uint64) ([]uint64, error) {
	t.Helper()
	ctx := context.Background()
	out, err := wasm.Meter(m, wasm.Metering{Fuel: h.grant, Depth: depth, Switches: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(16))
	defer r.Close(ctx)
	h.instantiate(t, r)
	started, err := r.InstantiateWithConfig(ctx, out.Encode(), wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		return nil, err
	}
	defer func() { h.fuel = int64(started.ExportedGlobal(wasm.FuelExport).Get()) }()
	return started.ExportedFunction(function).Call(ctx, args...)
}

// bushes is a module in which every function calls the one before it many times: without loop and
// without recursion it would run for longer than anybody lives.
func bushes(call func(function byte) []byte) *wasm.Module {
	m := module(0, nil)
	for f := range 20 {
		m.Functions = append(m.Functions, 0)
		m.Bodies = append(m.Bodies, wasm.Body{Code: append(bytes.Repeat(call(byte(f)), 100), 0x0b)})
	}
	m.Exports[0].Index = 20
	return m
}

// TestMeterEndsWhatHasNoEnd gives each module a million units ten times.
func TestMeterEndsWhatHasNoEnd(t *testing.T) {
	table := func(m *wasm.Module) *wasm.Module {
		m.Tables = []wasm.Table{{Type: wasm.FuncRef, Limits: wasm.Limits{Min: 10}}}
		m.Elements = []wasm.Element{{Offset: []byte{0x41, 0, 0x0b}, Count: 1, Init: []byte{0}}}
		return m
	}
	mutual := module(0, []byte{0x10, 1})
	mutual.Functions, mutual.Bodies = []uint32{0, 0}, append(mutual.Bodies, wasm.Body{Code: []byte{0x10, 0, 0x0b}})
	start, zero := module(0, []byte{0x03, 0x40, 0x0c, 0, 0x0b}), uint32(0)
	start.Start = &zero
	for _, tt := range []struct {
		name   string
		module *wasm.Module
		want   error
	}{
		{"a loop", module(0, []byte{0x03, 0x40, 0x0c, 0, 0x0b}), errFuel},
		{"a loop in the start function", start, errFuel},
		{"a loop by br_if", module(0, []byte{0x03, 0x40, 0x41, 1, 0x0d, 0, 0x0b}), errFuel},
		{"a loop by br_table", module(0, []byte{0x03, 0x40, 0x41, 1, 0x0e, 1, 0, 0, 0x0b}), errFuel},
		{"a loop by br_table to its own label only", module(0, []byte{0x03, 0x40, 0x02, 0x40, 0x41, 1, 0x0e, 1, 0, 1, 0x0b, 0x0b}), errFuel},
		{"a loop with nothing in an inner loop", module(0, []byte{0x03, 0x40, 0x03, 0x40, 0x0b, 0x0c, 0, 0x0b}), errFuel},
		{"an inner loop that goes on with the outer one", module(0, []byte{0x03, 0x40, 0x03, 0x40, 0x0c, 1, 0x0b, 0x0b}), errFuel},
		{"a long switch in a loop", module(0, cat([]byte{0x03, 0x40, 0x02, 0x40, 0x41, 0, 0x0e, 0, 0, 0x0b},
			times(5000, 0x41, 0, 0x1a), []byte{0x0c, 0, 0x0b})), errFuel},
		{"a long switch that skips all of a loop", module(0, cat([]byte{0x03, 0x40, 0x02, 0x40, 0x02, 0x40, 0x41, 1, 0x0e, 1, 0, 1, 0x0b},
			times(5000, 0x41, 0, 0x1a), []byte{0x0b, 0x0c, 0, 0x0b})), errFuel},
		{"a bush of calls", bushes(func(f byte) []byte { return []byte{0x10, f} }), errFuel},
		{"a bush of calls beside calls that are skipped", bushes(func(f byte) []byte {
			return []byte{0x10, f, 0x02, 0x40, 0x0c, 0, 0x10, f, 0x0b, 0x02, 0x40, 0x41, 1, 0x0d, 0, 0x10, f, 0x0b, 0x41, 0, 0x04, 0x40, 0x10, f, 0x10, f, 0x0b}
		}), errFuel},
		{"a bush of calls beside guarded calls that are skipped", table(bushes(func(f byte) []byte {
			return []byte{0x10, f, 0x41, 0, 0x04, 0x40, 0x41, 0, 0x11, 0, 0, 0x10, 20, 0x0b}
		})), errFuel},
		{"filling memory", module(0, []byte{0x03, 0x40, 0x41, 0, 0x41, 0, 0x41, 0x80, 0x80, 4, 0xfc, 11, 0, 0x0c, 0, 0x0b}), errFuel},
		{"growing memory", module(0, []byte{0x03, 0x40, 0x41, 0, 0x40, 0, 0x1a, 0x0c, 0, 0x0b}), errFuel},
		{"recursion", module(0, []byte{0x10, 0}), errDepth},
		{"mutual recursion", mutual, errDepth},
		{"indirect recursion", table(module(0, []byte{0x41, 0, 0x11, 0, 0})), errDepth},
		{"recursion that doubles", module(0, []byte{0x10, 0, 0x10, 0}), errDepth},
	} {
		h := &meterHost{grant: 1_000_000, left: 10}
		_, err := run(t, decode(t, tt.module.Encode()), h, 1000, "run")
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestMeterPaysForAtLeastWhatIsExecuted counts, by the host's grants, what loops cost.
func TestMeterPaysForAtLeastWhatIsExecuted(t *testing.T) {
	const rounds = 10_000
	count := func(body []byte) *wasm.Module { // do body while ++local 0 < rounds
		return module(1, cat([]byte{0x03, 0x40}, body,
			[]byte{0x20, 0, 0x41, 1, 0x6a, 0x22, 0, 0x41}, []byte{0x90, 0xce, 0}, []byte{0x49, 0x0d, 0, 0x0b}))
	}
	for _, tt := range []struct {
		name        string
		body        []byte
		least, most int // units per round
	}{
		{"nothing but the count", nil, 7, 7},
		{"two more instructions", []byte{0x41, 0, 0x1a}, 9, 9},
		{"code in blocks", []byte{0x02, 0x40, 0x41, 0, 0x1a, 0x0b}, 9, 9},
		{"an if that is not taken", cat([]byte{0x41, 0, 0x04, 0x40}, times(50, 0x41, 0, 0x1a), []byte{0x0b}), 9, 109},
		{"a long body", times(3000, 0x41, 0, 0x1a), 6007, 6007},
		{"a long body that is skipped", cat([]byte{0x02, 0x40, 0x0c, 0}, times(3000, 0x41, 0, 0x1a), []byte{0x0b}), 8, 8 + longestRegion},
		{"an arm of a long switch", cat([]byte{0x02, 0x40, 0x02, 0x40, 0x02, 0x40, 0x41, 1, 0x0e, 2, 0, 1, 2, 0x0b},
			times(3000, 0x41, 0, 0x1a), []byte{0x0b, 0x41, 0, 0x1a, 0x0b}), 11, 30},
		{"a fill of 1,600 bytes", []byte{0x41, 0, 0x41, 0, 0x41, 0xc0, 0x0c, 0xfc, 11, 0}, 111, 130},
	} {
		h := &meterHost{grant: 1000, left: 1 << 30}
		if _, err := run(t, decode(t, count(tt.body).Encode()), h, 10, "run"); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		paid := (h.refills+1)*1000 - int(h.fuel)
		if paid < tt.least*rounds || paid > tt.most*rounds {
			t.Errorf("%s: %d units were paid, want %d to %d a round", tt.name, paid, tt.least, tt.most)
		}
	}
}

// longestRegion is what a long body pays too much for what it skips.
const longestRegion = 512

// TestDepthComesBack calls, returns in each way there is, and calls again.
func TestDepthComesBack(t *testing.T) {
	m := decode(t, small())
	for _, tt := range []struct {
		n     uint64
		depth int64
		want  error
	}{{100, 100, nil}, {101, 100, errDepth}, {5000, 5000, nil}} {
		h := &meterHost{grant: 1 << 30, left: 10}
		got, err := run(t, m, h, tt.depth, "deep", tt.n)
		if !errors.Is(err, tt.want) || err == nil && got[0] != tt.n {
			t.Errorf("%d calls with a depth of %d: %v, %v", tt.n, tt.depth, got, err)
		}
	}
	h := &meterHost{grant: 1 << 30, left: 10}
	if got, err := run(t, m, h, 30, "fib", 25); err != nil || got[0] != 75025 {
		t.Errorf("fib 25 with a depth of 30: %v, %v", got, err)
	}
}

// TestMeterKeepsNames holds that a trap of a metered module names the function.
func TestMeterKeepsNames(t *testing.T) {
	m := module(0, []byte{0x00})
	m.Names = []wasm.Name{{Function: 0, Text: []byte("culprit")}}
	_, err := run(t, decode(t, m.Encode()), &meterHost{grant: 100, left: 1}, 10, "run")
	if err == nil || !strings.Contains(err.Error(), "culprit") {
		t.Errorf("%v does not name the function", err)
	}
}

// TestMeteredGuest runs a guest of Go's compiler with little fuel at once.
func TestMeteredGuest(t *testing.T) {
	m := decode(t, guest(t))
	out, err := wasm.Meter(m, wasm.Metering{Fuel: 1000, Depth: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	config := wazero.NewRuntimeConfigCompiler()
	plain, metered := instance(t, guest(t), config), instance(t, out.Encode(), config)
	for _, call := range []struct {
		function string
		args     []uint64
	}{{"event", nil}, {"document", []uint64{3}}, {"deep", []uint64{2000}}} {
		want, err := plain.ExportedFunction(call.function).Call(context.Background(), call.args...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := metered.ExportedFunction(call.function).Call(context.Background(), call.args...)
		if err != nil || len(got) != 1 || got[0] != want[0] {
			t.Errorf("%s: %v, %v, want %v", call.function, got, err, want)
		}
	}
}
