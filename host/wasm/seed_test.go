package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// TestSeed instantiates the modules of the specification's tests as they are; their seeds, which
// it then starts; and their seeds once more, which it gives the state of the first. All three must
// be in the same state, also where the seed is metered.
func TestSeed(t *testing.T) {
	runtime := newSpecSide(t, filepath.Join(specDir(t), "v2/testdata"), nil).runtime
	seeds, started := 0, 0
	for _, file := range distinctModules(t) {
		if strings.HasPrefix(filepath.Base(file), "simd_") {
			continue // nothing in them is about state
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wasm.Decode(b)
		if err != nil {
			continue
		}
		code, err := runtime.CompileModule(t.Context(), b)
		if err != nil {
			continue
		}
		code.Close(t.Context())
		if seed, _ := m.Seed(); seed != nil {
			seeds++
			started += compareSeed(t, runtime, filepath.Base(file), b, seed)
		}
	}
	if seeds < 180 || started < 150 {
		t.Errorf("only %d modules have a seed, %d of which start", seeds, started)
	}
}

// compareSeed returns 1 if the module starts.
func compareSeed(t *testing.T, r wazero.Runtime, name string, module []byte, seed *wasm.Seed) int {
	metered, err := wasm.Meter(seed.Module, wasm.Metering{Fuel: 1 << 40, Depth: 1 << 20, Switches: 1})
	if err != nil {
		t.Errorf("%s: meter: %v", name, err)
		return 0
	}
	plain, err := anonymous(r, module)
	for _, b := range [][]byte{seed.Module.Encode(), metered.Encode()} {
		planted, seedErr := anonymous(r, b)
		if seedErr == nil {
			seedErr = plant(seed, planted)
		}
		if (err == nil) != (seedErr == nil) {
			t.Errorf("%s: the module: %v, its seed: %v", name, err, seedErr)
		}
		if err != nil || seedErr != nil {
			continue
		}
		restored, err := anonymous(r, b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		restore(seed, planted, restored)
		for what, m := range map[string]api.Module{"planted": planted, "restored": restored} {
			if difference := differs(plain, m); difference != "" {
				t.Errorf("%s: a %s seed has another %s", name, what, difference)
			}
			m.Close(context.Background())
		}
	}
	if err != nil {
		return 0
	}
	plain.Close(context.Background())
	return 1
}

func anonymous(r wazero.Runtime, module []byte) (api.Module, error) {
	return r.InstantiateWithConfig(context.Background(), module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
}

func plant(s *wasm.Seed, m api.Module) error {
	for _, d := range s.Data {
		if !m.Memory().Write(d.Offset, d.Bytes) {
			return errors.New("data outside of memory")
		}
	}
	if !s.Start {
		return nil
	}
	_, err := m.ExportedFunction(wasm.SeedStart).Call(context.Background())
	return err
}

func restore(s *wasm.Seed, from, to api.Module) {
	content := memoryOf(from)
	to.Memory().Grow(uint32(len(content)-len(memoryOf(to))) >> 16)
	to.Memory().Write(0, content)
	for _, name := range s.Globals {
		to.ExportedGlobal(name).(api.MutableGlobal).Set(from.ExportedGlobal(name).Get())
	}
}

// differs tells what of their state differs. It looks at those globals that plain has, which come
// first in the other.
func differs(plain, m api.Module) string {
	if !bytes.Equal(memoryOf(plain), memoryOf(m)) {
		return "memory"
	}
	a, b := plain.(experimental.InternalModule), m.(experimental.InternalModule)
	for i := range a.NumGlobal() {
		if t := a.Global(i).Type(); t > api.ValueTypeI32 || t < api.ValueTypeF64 {
			continue // references are addresses
		}
		if a.Global(i).Get() != b.Global(i).Get() {
			return "global"
		}
	}
	return ""
}

func memoryOf(m api.Module) []byte {
	b, _ := m.Memory().Read(0, m.Memory().Size())
	return b
}

// FuzzSnapshot holds that a module is valid exactly if its seed is.
func FuzzSnapshot(f *testing.F) {
	seed(f)
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wasm.Decode(b)
		if err != nil || m.Vet(wasm.Bounds{BodyBytes: 10_000, Locals: 1000}) != nil {
			return
		}
		s, reason := m.Seed()
		if (s == nil) == (reason == "") {
			t.Fatalf("seed %v with reason %q", s != nil, reason)
		}
		if s == nil {
			return
		}
		out, err := wasm.Meter(s.Module, wasm.Metering{Fuel: 1, Depth: 1, Switches: 1})
		if err != nil {
			t.Fatal(err)
		}
		m.Customs = nil
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
		defer r.Close(ctx)
		_, plain := r.CompileModule(ctx, m.Encode())
		_, seeded := r.CompileModule(ctx, out.Encode())
		if (plain == nil) != (seeded == nil) {
			t.Errorf("plain: %v, seed: %v", plain, seeded)
		}
	})
}
