package wasm_test

import (
	"context"
	"errors"
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
	if m, err = wasm.Meter(m, wasm.Metering{Fuel: 1 << 40, Depth: 10_000}); err != nil {
		return nil, err
	}
	return m.Encode(), nil
}
