package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/tetratelabs/wazero"
)

// Prepare makes a plugin of a module: vet, compile, start once for trial. A module that was
// refused is a *RefusedError; other errors are the host's own, ErrBusy among them. Equal modules
// are compiled once, however many plugins they make. Compilation is not cut short when ctx ends,
// but the wait for others' is. Prepare does not keep wasm.
//
// The instances of one Plugin take turns with its events, and may remember what they saw: give each
// route, and surely each tenant, a Plugin of its own.
func (h *Host) Prepare(ctx context.Context, wasm []byte) (*Plugin, error) {
	if err := h.enter(0); err != nil {
		return nil, err
	}
	defer h.leave(0)
	outline, refused := h.vet(wasm)
	if refused != nil {
		return nil, refused
	}
	info := infoOf(outline, wasm)
	code, err := h.codeFor(ctx, info.Digest, func() (*code, error) { return h.build(ctx, info, wasm) })
	if err != nil {
		return nil, err
	}
	return h.newPlugin(code)
}

// build makes code of a module that was vetted. The way of a module is vet, meter, snapshot, run:
// here is the place where it is to be rewritten for metering and snapshots. Until then it is
// compiled as it came, and each instance runs _initialize.
func (h *Host) build(ctx context.Context, info Info, wasm []byte) (*code, error) {
	c := &code{host: h, info: info}
	var err error
	if c.compiled, err = h.compiled(ctx, info.Digest, wasm); err != nil {
		return nil, err
	}
	if err := c.try(ctx); err != nil {
		return nil, errors.Join(err, c.compiled.Close(ctx))
	}
	return c, nil
}

// compiled compiles wasm, or takes it from the cache. A cache that cannot be read is emptied.
func (h *Host) compiled(ctx context.Context, digest string, wasm []byte) (wazero.CompiledModule, error) {
	compiled, err := h.compile(ctx, wasm)
	if errors.As(err, new(*cacheError)) {
		h.config.Logger.Warn("empty compile cache", "reason", err)
		h.prune(0)
		compiled, err = h.compile(ctx, wasm)
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

// compile has wasm compiled by a process of its own, if there is one for that, and loads it.
// Compilations wait for one another, not what the cache holds already.
func (h *Host) compile(ctx context.Context, wasm []byte) (wazero.CompiledModule, error) {
	ownProcess := len(h.config.Compiler) > 0
	if ownProcess && h.cache.holds(wasm) {
		return h.compileModule(ctx, wasm)
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if ownProcess {
		p := compiler{config: h.config, cache: h.cache}
		if err := p.compile(ctx, wasm); err != nil {
			return nil, err
		}
	}
	return h.compileModule(ctx, wasm)
}

// compileModule is the compiler. A module that makes it panic must not take the process along.
func (h *Host) compileModule(ctx context.Context, wasm []byte) (_ wazero.CompiledModule, err error) {
	defer func() {
		if r := recover(); r != nil {
			h.config.Logger.Error("compiler panicked", "panic", r, "stack", string(debug.Stack()))
			err = refuse("the compiler failed")
		}
	}()
	compiled, err := h.runtime.CompileModule(context.WithoutCancel(ctx), wasm)
	if isFileError(err) {
		return nil, &cacheError{err}
	}
	if err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n")
		return nil, refuse("module is not valid: %s", reason)
	}
	return compiled, nil
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

func infoOf(o *outline, wasm []byte) Info {
	sum := sha256.Sum256(wasm)
	info := Info{
		Digest:   "sha256:" + hex.EncodeToString(sum[:]),
		Size:     len(wasm),
		Exports:  []string{},
		Imports:  []string{},
		Language: language(o),
	}
	for _, name := range abi.Callbacks {
		if exports(o, name) {
			info.Exports = append(info.Exports, name)
		}
	}
	for _, im := range o.imports {
		if im.module == abi.Module && !slices.Contains(info.Imports, im.name) {
			info.Imports = append(info.Imports, im.name)
		}
	}
	slices.Sort(info.Imports)
	return info
}
