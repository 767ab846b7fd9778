package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// moving is a module with memory of 16 pages whose functions copy and fill do what they are named for.
func moving() *wasm.Module {
	m := module(0, nil)
	m.Types = append(m.Types, wasm.FuncType{Params: []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32}})
	m.Memories[0].Min = 16
	m.Functions = append(m.Functions, 1, 1)
	operands := []byte{0x20, 0, 0x20, 1, 0x20, 2}
	m.Bodies = append(m.Bodies,
		wasm.Body{Code: cat(operands, []byte{0xfc, 10, 0, 0, 0x0b})}, wasm.Body{Code: cat(operands, []byte{0xfc, 11, 0, 0x0b})})
	m.Exports = append(m.Exports, wasm.Export{Name: "copy", Index: 1}, wasm.Export{Name: "fill", Index: 2},
		wasm.Export{Name: "memory", Kind: wasm.KindMemory})
	return m
}

func start(t *testing.T, h *meterHost, b []byte) api.Module {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	t.Cleanup(func() { r.Close(ctx) })
	h.instantiate(t, r)
	started, err := r.Instantiate(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	return started
}

// TestMovesInPiecesAreTheSame copies and fills at random, overlapping and beyond the end, with and
// without metering.
func TestMovesInPiecesAreTheSame(t *testing.T) {
	const size = 1 << 20
	out, err := metered(decode(t, moving().Encode()).Encode())
	if err != nil {
		t.Fatal(err)
	}
	h := &meterHost{grant: 1 << 40, left: 1 << 30}
	plain, inPieces := start(t, h, moving().Encode()), start(t, h, out)
	random := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	plain.Memory().Write(0, content)
	inPieces.Memory().Write(0, content)
	lengths := []uint32{0, 1, 4095, 4096, 65535, 65536, 65537, 131072, 131073, 400_000, size, size + 1, 1 << 31, 1<<32 - 1}
	for i := range 600 {
		function := []string{"copy", "fill"}[i%2]
		to, from, count := random.Uint32N(size+2), random.Uint32N(size+2), lengths[random.IntN(len(lengths))]
		if i%3 == 0 { // near to each other
			from = to + random.Uint32N(100_000) - 50_000
		}
		if i%5 == 0 {
			to, from = 0, from%1000
		}
		_, want := plain.ExportedFunction(function).Call(t.Context(), uint64(to), uint64(from), uint64(count))
		_, got := inPieces.ExportedFunction(function).Call(t.Context(), uint64(to), uint64(from), uint64(count))
		if (want == nil) != (got == nil) {
			t.Fatalf("%s %d %d %d: %v, want %v", function, to, from, count, got, want)
		}
		a, _ := plain.Memory().Read(0, size)
		b, _ := inPieces.Memory().Read(0, size)
		if !bytes.Equal(a, b) {
			t.Fatalf("%s %d %d %d: the memory is another", function, to, from, count)
		}
	}
}

// TestMovesAreInterrupted has one instruction that moves a megabyte ask for fuel on the way, and be
// stopped.
func TestMovesAreInterrupted(t *testing.T) {
	for _, function := range []string{"copy", "fill"} {
		h := &meterHost{grant: 100_000, left: 1 << 30}
		if _, err := run(t, decode(t, moving().Encode()), h, 10, function, 0, 0, 1<<20); err != nil {
			t.Fatal(err)
		}
		if h.refills < 10 || h.refills > 11 {
			t.Errorf("%s of 1 MiB asks %d times for 100,000 units, want 10 or 11 times", function, h.refills)
		}
		h.left = 5
		if _, err := run(t, decode(t, moving().Encode()), h, 10, function, 0, 0, 1<<20); !errors.Is(err, errFuel) {
			t.Errorf("%s without fuel: %v", function, err)
		}
	}
}
