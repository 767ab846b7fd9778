package host

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
)

// Prepare makes a plugin of a module: vet, meter, compile, start once. A module that was
// refused is a *RefusedError; other errors are the host's own, ErrBusy among them. Equal modules
// are compiled once, however many plugins they make. Compilation is not cut short when ctx ends,
// but the wait for others' is. Prepare does not keep module in memory.
//
// The instances of one Plugin take turns with its events, and may remember what they saw: give each
// route, and surely each tenant, a Plugin of its own.
func (h *Host) Prepare(ctx context.Context, module []byte) (*Plugin, error) {
	if err := h.enter(0); err != nil {
		return nil, err
	}
	defer h.leave(0)
	var m *wasm.Module
	err := h.contain(func() (err error) { m, err = h.vet(module); return err })
	if err != nil {
		return nil, err
	}
	info := infoOf(m, module)
	code, err := h.codeFor(ctx, info.Digest, func() (*code, error) { return h.build(ctx, info, m) })
	if err != nil {
		return nil, err
	}
	return h.newPlugin(code)
}

// build makes code of a module that was vetted. The way of a module is vet, meter, snapshot, run.
func (h *Host) build(ctx context.Context, info Info, m *wasm.Module) (*code, error) {
	c := &code{host: h, info: info}
	var rewritten []byte
	err := h.contain(func() (err error) { rewritten, err = c.rewrite(m); return err })
	if err != nil {
		return nil, err
	}
	if c.compiled, err = h.compiled(ctx, info.Digest, rewritten); err != nil {
		return nil, err
	}
	h.keep(c.sum, rewritten)
	if memory := c.compiled.ExportedMemories()[abi.Memory]; memory != nil {
		c.pages = memory.Min()
	}
	if err := c.try(ctx); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// rewrite makes of the module what is compiled: metered, and the seed if it has one that the system
// can use. The result names the digest of the module, as wazero takes two modules of equal bytes for
// one and closes both with the first.
func (c *code) rewrite(m *wasm.Module) ([]byte, error) {
	m.CapTables(maxTableEntries)
	c.functions = m.Imported(wasm.KindFunction) + len(m.Functions)
	code := int64(0)
	for _, b := range m.Bodies {
		code += int64(len(b.Code))
	}
	seed, reason := m.Seed()
	if !canSnapshot {
		seed, reason = nil, "the system has no way to share memory"
	}
	c.seed, c.info.Snapshot, c.info.SnapshotReason = seed, seed != nil, reason
	if seed != nil {
		m = seed.Module
	}
	m, err := wasm.Meter(m, wasm.Metering{Depth: int64(c.host.config.CallDepth), Switches: manyFunctions})
	if err != nil {
		return nil, refuse("module cannot be metered: %v", err)
	}
	c.tableBytes = m.TableBytes()
	m.Customs = []wasm.Custom{{Name: "millrace", Data: []byte(c.info.Digest)}}
	rewritten := m.Encode()
	c.bytes, c.sum = nativeBytes*code+int64(len(rewritten))+leastCodeBytes, sha256.Sum256(rewritten)
	return rewritten, nil
}

// What loaded code takes, about: so many bytes of machine code for each byte of a function as it came,
// which are 6.7 for QuickJS and 7.6 for Go, and beside the rewritten module, which wazero keeps, at
// least leastCodeBytes.
const (
	nativeBytes    = 8
	leastCodeBytes = 64 << 10
)

// manyFunctions is how many functions in tables are worth code in their place. Modules of Go have
// thousands there and get no slower by it; QuickJS has 407, and would.
const manyFunctions = 1000

// compiled compiles a module, or takes it from the cache. A cache that cannot be read is emptied.
func (h *Host) compiled(ctx context.Context, digest string, module []byte) (wazero.CompiledModule, error) {
	compiled, err := h.compile(ctx, module)
	if errors.As(err, new(*cacheError)) {
		h.config.Logger.Warn("empty compile cache", "reason", err)
		h.prune(0)
		compiled, err = h.compile(ctx, module)
	}
	switch {
	case errors.As(err, new(*RefusedError)):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("compile %s: %w", digest, err)
	}
	h.prune(h.config.CacheBytes)
	return compiled, nil
}

// cacheError is a cache that cannot be read or written.
type cacheError struct{ error }

// compile has a module compiled by a process of its own, if there is one for that, and loads it.
// Compilations wait for one another, not what the cache holds already.
func (h *Host) compile(ctx context.Context, module []byte) (wazero.CompiledModule, error) {
	ownProcess := len(h.config.Compiler) > 0
	if ownProcess && h.cache.holds(module) {
		return h.compileModule(ctx, module)
	}
	if err := h.slots.take(ctx); err != nil {
		return nil, err
	}
	defer h.slots.giveBack()
	if ownProcess {
		p := compiler{config: h.config, cache: h.cache}
		if err := p.compile(ctx, module); err != nil {
			return nil, err
		}
	}
	return h.compileModule(ctx, module)
}

// compileModule is the compiler, or the loader of what the cache holds.
func (h *Host) compileModule(ctx context.Context, module []byte) (compiled wazero.CompiledModule, err error) {
	err = h.contain(func() (err error) {
		compiled, err = h.runtime.CompileModule(context.WithoutCancel(ctx), module)
		return err
	})
	switch {
	case err == nil, errors.As(err, new(*RefusedError)):
		return compiled, err
	case isFileError(err):
		return nil, &cacheError{err}
	}
	reason, _, _ := strings.Cut(err.Error(), "\n")
	return nil, refuse("module is not valid: %s", reason)
}

// contain runs what reads or rewrites a stranger's module. One that makes it panic must not take the
// process along.
func (h *Host) contain(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			h.config.Logger.Error("preparation panicked", "panic", r, "stack", string(debug.Stack()))
			err = refuse("the compiler failed")
		}
	}()
	return do()
}

// prune cuts the cache on disk, if there is one, down to bytes.
func (h *Host) prune(bytes int64) {
	if h.cache.dir == "" {
		return
	}
	if err := prune(h.cache.dir, bytes); err != nil {
		h.config.Logger.Warn("prune compile cache", "error", err)
	}
}

func infoOf(m *wasm.Module, module []byte) Info {
	info := Info{
		Digest:   digestOf(module),
		Size:     len(module),
		Exports:  []string{},
		Imports:  []string{},
		Language: language(m),
	}
	for _, name := range abi.Callbacks {
		if exports(m, name) {
			info.Exports = append(info.Exports, name)
		}
	}
	for _, im := range m.Imports {
		if im.Module == abi.Module && !slices.Contains(info.Imports, im.Name) {
			info.Imports = append(info.Imports, im.Name)
		}
	}
	slices.Sort(info.Imports)
	return info
}
