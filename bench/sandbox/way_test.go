package sandbox_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// way gives the data of one event to a guest and returns the data of its answer.
type way func(data string) (string, error)

// asHost is how the program runs it: vetted, metered, from a snapshot, with every limit. One caller
// is not to wait for its share of the processors, as that is what it measures.
func asHost(b *testing.B, module []byte) way {
	ctx := context.Background()
	h, err := host.New(ctx, host.Config{CPUShare: 1000})
	if err != nil {
		b.Fatal(err)
	}
	p, err := h.Prepare(ctx, module)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		p.Release()
		if err := h.Close(ctx); err != nil {
			b.Error(err)
		}
	})
	e := &abi.Event{}
	return func(data string) (string, error) {
		e.Data = data
		o, err := p.Event(ctx, host.Session{}, e)
		if err != nil || len(o.Outputs) != 1 {
			return "", fmt.Errorf("%d outputs: %w", len(o.Outputs), err)
		}
		return o.Outputs[0].Data, nil
	}
}

// inExtism is an equal plugin in Extism, whose instance serves one call after the other. With a
// timeout Extism has wazero compile WithCloseOnContextDone.
func inExtism(b *testing.B, module []byte, timeout time.Duration) way {
	ctx := context.Background()
	p, err := extism.NewPlugin(ctx,
		extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: module}}, Timeout: uint64(timeout.Milliseconds())},
		extism.PluginConfig{EnableWasi: true}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close(ctx) })
	return func(data string) (string, error) {
		_, out, err := p.Call("onEvent", []byte(data))
		return string(out), err
	}
}

// bare is wazero alone, with the two host functions that the guest needs and nothing that a stranger's
// guest asks for: what it is told it believes.
type bare struct {
	ctx    context.Context
	module api.Module
	call   api.Function
	stack  [1]uint64
	record []byte
	output string
	fuel   int64 // given
}

func newBare(b *testing.B, ctx context.Context, module []byte, c wazero.RuntimeConfig) *bare {
	r := wazero.NewRuntimeWithConfig(ctx, c)
	b.Cleanup(func() { r.Close(context.Background()) })
	w := &bare{ctx: ctx}
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	i32, i64 := api.ValueTypeI32, api.ValueTypeI64
	must(b, r.NewHostModuleBuilder(abi.Module).
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(w.receive), []api.ValueType{i32, i32, i32, i64}, []api.ValueType{i32}).Export("receive").
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(w.send), []api.ValueType{i32, i32, i32, i32, i32, i32}, []api.ValueType{i32}).Export("send").
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(ignore), []api.ValueType{i32, i32, i32}, []api.ValueType{i32}).Export("log"))
	must(b, r.NewHostModuleBuilder(wasm.MeterModule).
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(w.refill), nil, []api.ValueType{i64}).Export(wasm.Refill).
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(ignore), nil, nil).Export(wasm.Overflow))
	var err error
	if w.module, err = r.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithStartFunctions(abi.Initialize)); err != nil {
		b.Fatal(err)
	}
	w.call = w.module.ExportedFunction(abi.OnEvent)
	return w
}

func must(b *testing.B, m wazero.HostModuleBuilder) {
	b.Helper()
	if _, err := m.Instantiate(context.Background()); err != nil {
		b.Fatal(err)
	}
}

func ignore(context.Context, api.Module, []uint64) {}

func (w *bare) receive(_ context.Context, m api.Module, stack []uint64) {
	m.Memory().Write(uint32(stack[1]), w.record)
	stack[0] = uint64(len(w.record))
}

func (w *bare) send(_ context.Context, m api.Module, stack []uint64) {
	data, _ := m.Memory().Read(uint32(stack[0]), uint32(stack[1]))
	w.output = string(data)
	stack[0] = 0
}

func (w *bare) refill(_ context.Context, _ api.Module, stack []uint64) {
	w.fuel += 1 << 20
	stack[0] = 1 << 20
}

func (w *bare) way(data string) (string, error) {
	w.record = append(w.record[:0], make([]byte, abi.RecordHeader)...)
	binary.LittleEndian.PutUint32(w.record, uint32(len(data)))
	w.record = append(w.record, data...)
	err := w.call.CallWithStack(w.ctx, w.stack[:])
	return w.output, err
}

// spent is the fuel that a metered guest has taken.
func (w *bare) spent() int64 {
	return w.fuel - int64(w.module.ExportedGlobal(wasm.FuelExport).Get())
}

// metered rewrites a module as the host does.
func metered(b *testing.B, module []byte) []byte {
	b.Helper()
	m, err := wasm.Decode(module)
	if err == nil {
		m, err = wasm.Meter(m, wasm.Metering{Depth: math.MaxInt32, Switches: 1000})
	}
	if err != nil {
		b.Fatal(err)
	}
	return m.Encode()
}

// event is the data of the events, and answer what the guests make of it.
var (
	event  = strings.Repeat("0123456789 abcdefghi", 10)
	answer = string(bytes.ToUpper([]byte(event)))
)
