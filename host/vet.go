package host

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host/wasm"
)

const (
	pageBytes       = 64 << 10 // of linear memory
	maxTableEntries = 1 << 18  // 8 bytes each in every instance; a large Go program has some 30,000
)

// vet reads the module, or returns a *RefusedError with the reason why it cannot run here. What it lets pass the compiler
// still validates.
func (h *Host) vet(module []byte) (*wasm.Module, error) {
	if len(module) > h.config.ModuleBytes {
		return nil, &RefusedError{TooBig: true,
			Reason: fmt.Sprintf("module has %d bytes, the limit is %d", len(module), h.config.ModuleBytes)}
	}
	if !bytes.HasPrefix(module, []byte("\x00asm")) {
		return nil, refuse("not a WebAssembly module")
	}
	m, err := wasm.Decode(module)
	if err != nil {
		return nil, refuse("module is not valid: %s", withoutPrefix(err))
	}
	for _, check := range []func(*wasm.Module) *RefusedError{h.vetImports, h.vetMemory, vetTables, vetCallbacks, h.vetWork} {
		if refused := check(m); refused != nil {
			return nil, refused
		}
	}
	return m, nil
}

func refuse(format string, args ...any) *RefusedError {
	return &RefusedError{Reason: fmt.Sprintf(format, args...)}
}

func withoutPrefix(err error) string { return strings.TrimPrefix(err.Error(), "wasm: ") }

func (h *Host) vetImports(m *wasm.Module) *RefusedError {
	for _, im := range m.Imports {
		functions, known := h.imports[im.Module]
		if !known {
			return refuse("import %q.%q: modules import from %s and %s only", im.Module, im.Name, abi.Module, abi.WASI)
		}
		if im.Kind != wasm.KindFunction {
			return refuse("import %q.%q is not a function: memories, tables and globals cannot be imported", im.Module, im.Name)
		}
		want, known := functions[im.Name]
		if !known {
			return refuse("import %q.%q: there is no such function", im.Module, im.Name)
		}
		if got := signatureOfType(m.Types[im.Type]); got != want {
			return refuse("import %q.%q is declared as %v, but is %v", im.Module, im.Name, got, want)
		}
	}
	return nil
}

func (h *Host) vetMemory(m *wasm.Module) *RefusedError {
	if e, ok := m.Export(abi.Memory); !ok || e.Kind != wasm.KindMemory {
		return refuse("the module does not export its memory as %q", abi.Memory)
	}
	if least, limit := int64(m.Memories[0].Min)*pageBytes, h.config.MemoryBytes; least > limit {
		return refuse("memory starts with %d bytes, the limit is %d", least, limit)
	}
	return nil
}

func vetTables(m *wasm.Module) *RefusedError {
	var entries uint64
	for _, t := range m.Tables {
		entries += uint64(t.Min)
	}
	if entries > maxTableEntries {
		return refuse("tables start with %d entries, the limit is %d", entries, maxTableEntries)
	}
	return nil
}

func vetCallbacks(m *wasm.Module) *RefusedError {
	found := false
	for _, e := range m.Exports {
		isCallback := slices.Contains(abi.Callbacks, e.Name)
		want := signature(":i")
		if e.Name == abi.Initialize {
			want = ":"
		} else if !isCallback {
			continue
		}
		if e.Kind != wasm.KindFunction {
			return refuse("export %q is not a function", e.Name)
		}
		if got := signatureOfType(m.FunctionType(e.Index)); got != want {
			return refuse("export %q is a function %v, but must be %v", e.Name, got, want)
		}
		found = found || isCallback
	}
	if !found {
		return refuse("the module exports none of the callbacks %s; export one of them as a function () -> i32, which in Go is //go:wasmexport %s",
			strings.Join(abi.Callbacks, ", "), abi.OnEvent)
	}
	return nil
}

// vetWork bounds what the module asks of the compiler.
func (h *Host) vetWork(m *wasm.Module) *RefusedError {
	err := m.Vet(wasm.Bounds{
		ModuleBytes:  h.config.ModuleBytes,
		MemoryPages:  int(h.config.MemoryBytes / pageBytes),
		TableEntries: maxTableEntries,
	})
	switch {
	case errors.Is(err, wasm.ErrReserved):
		return refuse("module is not valid: %s", withoutPrefix(err))
	case err != nil:
		return refuse("module asks for too much: %s", withoutPrefix(err))
	}
	return nil
}
