package plugins_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/plugins"
)

const maxBytes = 4 << 20 // of a built example

// TestExamplesBuild builds every example as its users do. Each is a module that may be uploaded:
// it exports its callbacks and no others, and imports what the contract has.
func TestExamplesBuild(t *testing.T) {
	runtime := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer runtime.Close(t.Context())
	for _, example := range plugins.Examples {
		t.Run(example.Name, func(t *testing.T) {
			wasm := build(t, example.Name)
			if len(wasm) > maxBytes {
				t.Errorf("%d bytes, more than %d", len(wasm), maxBytes)
			}
			module, err := runtime.CompileModule(t.Context(), wasm)
			if err != nil {
				t.Fatal(err)
			}
			defer module.Close(t.Context())
			checkImports(t, module)
			checkExports(t, module, callbacksOf(example))
		})
	}
}

func build(t *testing.T, folder string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plugin.wasm")
	command := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", file, "./"+folder)
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// callbacksOf are what an example exports, in the order of abi.Callbacks.
func callbacksOf(e plugins.Example) []string {
	switch e.Name {
	case "filter", "redact", "enrich", "wikimedia":
		return []string{abi.OnEvent}
	case "stock-relay":
		return []string{abi.OnChunk, abi.OnError}
	case "monitoring":
		return []string{abi.OnChunk, abi.OnComplete}
	case "github-events":
		return []string{abi.OnRequestStart, abi.OnChunk, abi.OnError}
	}
	return []string{abi.OnStream}
}

func checkImports(t *testing.T, module wazero.CompiledModule) {
	t.Helper()
	for _, f := range module.ImportedFunctions() {
		from, name, _ := f.Import()
		if from == abi.WASI {
			continue
		}
		got := abi.Function{Name: name, Params: letters(f.ParamTypes())}
		if results := letters(f.ResultTypes()); results != "" {
			got.Result = results[0]
		}
		if from != abi.Module || !slices.Contains(abi.Functions, got) {
			t.Errorf("imports %s %v, which the contract does not have", from, got)
		}
	}
	if n := len(module.ImportedMemories()); n > 0 {
		t.Errorf("imports %d memories", n)
	}
}

// letters are the types as abi.Function has them, ? for what it has not.
func letters(types []api.ValueType) string {
	var b strings.Builder
	for _, v := range types {
		switch v {
		case api.ValueTypeI32:
			b.WriteByte('i')
		case api.ValueTypeI64:
			b.WriteByte('l')
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

func checkExports(t *testing.T, module wazero.CompiledModule, want []string) {
	t.Helper()
	exports := module.ExportedFunctions()
	var got []string
	for _, name := range abi.Callbacks {
		if f, ok := exports[name]; ok {
			got = append(got, name)
			if letters(f.ParamTypes()) != "" || letters(f.ResultTypes()) != "i" {
				t.Errorf("%s is not () -> i32", name)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("exports the callbacks %v, want %v", got, want)
	}
	if _, ok := exports[abi.Initialize]; !ok {
		t.Errorf("does not export %s", abi.Initialize)
	}
	if _, ok := module.ExportedMemories()[abi.Memory]; !ok {
		t.Errorf("does not export %s", abi.Memory)
	}
}
