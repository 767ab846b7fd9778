package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// TestRandomModules makes modules of noise with binaryen's wasm-opt and compares what they do plain,
// metered, and metered from a snapshot. It makes 60, with -short 20, with -long 3,000.
func TestRandomModules(t *testing.T) {
	tool, err := exec.LookPath("wasm-opt")
	if err != nil {
		t.Skip("install binaryen, which has wasm-opt")
	}
	n := 60
	switch {
	case *long:
		n = 3000
	case testing.Short():
		n = 20
	}
	dir := t.TempDir()
	compared, snapshots := 0, 0
	for seed := range n {
		b, err := randomModule(tool, dir, uint64(seed))
		if err != nil {
			t.Fatal(err)
		}
		code, err := metered(b)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		compared += compareRandom(t, fmt.Sprintf("seed %d, metered", seed), b, newRandomSide(t, b), newRandomSide(t, code))
		if s, _ := decode(t, b).Seed(); s != nil {
			snapshots += compareRandom(t, fmt.Sprintf("seed %d, from a snapshot", seed), b, plainSide(t, b, s), restoredSide(t, s))
		}
	}
	t.Logf("%d calls in %d modules, %d from snapshots", compared, n, snapshots)
	if compared < n || snapshots < n {
		t.Errorf("only %d calls were compared, %d from snapshots", compared, snapshots)
	}
}

// randomModule is the module that wasm-opt makes of a seed's noise.
func randomModule(tool, dir string, seed uint64) ([]byte, error) {
	r := rand.New(rand.NewPCG(seed, 1))
	noise := make([]byte, 200+r.IntN(6000))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	in, out := filepath.Join(dir, "noise"), filepath.Join(dir, "random.wasm")
	if err := os.WriteFile(in, noise, 0o600); err != nil {
		return nil, err
	}
	args := []string{in, "-ttf", "-o", out, "--disable-threads", "--enable-simd", "--enable-bulk-memory",
		"--enable-multivalue", "--enable-nontrapping-float-to-int", "--enable-sign-ext", "--enable-mutable-globals", "-O" + fmt.Sprint(seed%3)}
	if text, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return os.ReadFile(out)
}

// compareRandom runs all functions of a module plainly and as rewritten, and returns how many calls it
// compared. Either is nil if it did not start. A module counts down a number of its own to end its loops. What
// runs out of fuel nevertheless is not run plainly.
func compareRandom(t *testing.T, what string, b []byte, plain, rewritten *randomSide) (compared int) {
	t.Helper()
	if plain != nil {
		defer plain.runtime.Close(context.Background())
	}
	if rewritten != nil {
		defer rewritten.runtime.Close(context.Background())
	}
	if (rewritten == nil) != (plain == nil) {
		t.Errorf("%s: plain starts: %v, rewritten: %v", what, plain != nil, rewritten != nil)
	}
	if rewritten == nil || plain == nil {
		return 0
	}
	for _, e := range decode(t, b).Exports {
		if e.Kind != wasm.KindFunction {
			continue
		}
		got, err := rewritten.call(e.Name)
		if errors.Is(err, errFuel) || errors.Is(err, errDepth) || strings.Contains(got, "stack overflow") {
			return compared // the states differ from here on
		}
		want, _ := plain.call(e.Name)
		if got != want {
			t.Errorf("%s: %s: plain %s, rewritten %s", what, e.Name, want, got)
			return compared
		}
		compared++
	}
	return compared
}

// plainSide is an instance of the module as it is. One whose code may name data segments begins with
// its seed: wazero keeps the content of segments that the specification drops once they are in memory,
// where the seed follows the specification.
func plainSide(t *testing.T, b []byte, seed *wasm.Seed) *randomSide {
	t.Helper()
	if seed.Module.DataCount == nil {
		return newRandomSide(t, b)
	}
	return plantedSide(t, seed, seed.Module.Encode())
}

// plantedSide is a started instance of code, the seed's in one form or another.
func plantedSide(t *testing.T, seed *wasm.Seed, code []byte) *randomSide {
	t.Helper()
	s := newRandomSide(t, code)
	if s != nil && plant(seed, s.module) != nil {
		s.runtime.Close(context.Background())
		return nil
	}
	return s
}

// restoredSide is an instance of the metered seed in the state that another has after its start.
func restoredSide(t *testing.T, seed *wasm.Seed) *randomSide {
	t.Helper()
	code, err := metered(seed.Module.Encode())
	if err != nil {
		t.Fatal(err)
	}
	planted := plantedSide(t, seed, code)
	if planted == nil {
		return nil
	}
	defer planted.runtime.Close(context.Background())
	s := newRandomSide(t, code)
	if s != nil {
		restore(seed, planted.module, s.module)
	}
	return s
}

type randomSide struct {
	runtime wazero.Runtime
	module  api.Module
	log     string // of the numbers that the module gave to the host
}

// newRandomSide starts a random module, which imports functions to log numbers. It is nil if the
// module does not start.
func newRandomSide(t *testing.T, b []byte) *randomSide {
	t.Helper()
	ctx := context.Background()
	s := &randomSide{runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(1000))}
	(&meterHost{grant: 1 << 20, left: 50}).instantiate(t, s.runtime)
	compiled, err := s.runtime.CompileModule(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	builders := map[string]wazero.HostModuleBuilder{}
	for _, f := range compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		if module == wasm.MeterModule {
			continue
		}
		if builders[module] == nil {
			builders[module] = s.runtime.NewHostModuleBuilder(module)
		}
		builders[module].NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
			for i, p := range f.ParamTypes() {
				s.log += fmt.Sprint(name, norm(p, stack[i]), " ")
			}
			clear(stack)
		}), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	for _, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if s.module, err = s.runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithStartFunctions()); err != nil {
		s.runtime.Close(ctx)
		return nil
	}
	return s
}

// call calls a function with small numbers and returns all that came of it, the sum of the memory
// included.
func (s *randomSide) call(name string) (string, error) {
	s.log = ""
	f := s.module.ExportedFunction(name)
	args := make([]uint64, 0, 8)
	for i, p := range f.Definition().ParamTypes() {
		args = append(args, uint64(i*7))
		if p == 0x7b { // v128 takes two
			args = append(args, uint64(i))
		}
	}
	results, err := f.Call(context.Background(), args...)
	text := s.log
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		text += first
	}
	types := f.Definition().ResultTypes()
	for i, v := range results {
		if len(types) == len(results) {
			text += fmt.Sprint(norm(types[i], v), " ")
		}
	}
	if m := s.module.Memory(); m != nil {
		b, _ := m.Read(0, m.Size())
		sum := uint64(len(b))
		for _, c := range b {
			sum = sum*31 + uint64(c)
		}
		text += fmt.Sprint("memory ", sum)
	}
	return text, err
}
