package host

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/abi"
)

const (
	pageBytes       = 64 << 10 // of linear memory
	maxTableEntries = 1 << 18  // 8 bytes each in every instance; a large Go program has some 30,000
)

// vet returns the module's outline, or the reason why it cannot run here. What it lets pass the
// compiler still validates.
func (h *Host) vet(wasm []byte) (*outline, *RefusedError) {
	if len(wasm) > h.config.ModuleBytes {
		return nil, &RefusedError{TooBig: true,
			Reason: fmt.Sprintf("module has %d bytes, the limit is %d", len(wasm), h.config.ModuleBytes)}
	}
	o, err := readOutline(wasm)
	if err != nil {
		return nil, refuse("module cannot be read: %v", err)
	}
	for _, check := range []func(*outline) *RefusedError{h.vetImports, h.vetMemory, vetTables, vetCallbacks} {
		if refused := check(o); refused != nil {
			return nil, refused
		}
	}
	return o, nil
}

func refuse(format string, args ...any) *RefusedError {
	return &RefusedError{Reason: fmt.Sprintf(format, args...)}
}

func (h *Host) vetImports(o *outline) *RefusedError {
	for _, im := range o.imports {
		functions, known := h.imports[im.module]
		if !known {
			return refuse("import %q.%q: modules import from %s and %s only", im.module, im.name, abi.Module, abi.WASI)
		}
		if im.kind != kindFunction {
			return refuse("import %q.%q is not a function: memories, tables and globals cannot be imported", im.module, im.name)
		}
		want, known := functions[im.name]
		if !known {
			return refuse("import %q.%q: there is no such function", im.module, im.name)
		}
		if im.signature != want {
			return refuse("import %q.%q is declared as %v, but is %v", im.module, im.name, im.signature, want)
		}
	}
	return nil
}

func (h *Host) vetMemory(o *outline) *RefusedError {
	if e, ok := o.exports[abi.Memory]; !ok || e.kind != kindMemory {
		return refuse("the module does not export its memory as %q", abi.Memory)
	}
	if len(o.memories) != 1 {
		return refuse("the module has %d memories, not one", len(o.memories))
	}
	if least, limit := int64(o.memories[0])*pageBytes, h.config.MemoryBytes; least > limit {
		return refuse("memory starts with %d bytes, the limit is %d", least, limit)
	}
	return nil
}

func vetTables(o *outline) *RefusedError {
	var entries uint64
	for _, least := range o.tables {
		entries += uint64(least)
	}
	if entries > maxTableEntries {
		return refuse("tables start with %d entries, the limit is %d", entries, maxTableEntries)
	}
	return nil
}

func vetCallbacks(o *outline) *RefusedError {
	found := false
	for name, e := range o.exports {
		isCallback := slices.Contains(abi.Callbacks, name)
		want := signature(":i")
		if name == abi.Initialize {
			want = ":"
		} else if !isCallback {
			continue
		}
		if e.kind != kindFunction {
			return refuse("export %q is not a function", name)
		}
		if got := o.signatureOf(e.index); got != want {
			return refuse("export %q is a function %v, but must be %v", name, got, want)
		}
		found = found || isCallback
	}
	if !found {
		return refuse("the module exports none of the callbacks %v", abi.Callbacks)
	}
	return nil
}
