package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
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
	compiled, err := h.compileModule(ctx, wasm)
	if isCacheError(err) {
		h.config.Logger.Warn("empty compile cache", "reason", err)
		h.prune(0)
		compiled, err = h.compileModule(ctx, wasm)
	}
	switch {
	case isCacheError(err):
		return nil, fmt.Errorf("compile %s: %w", digest, err)
	case err != nil:
		reason, _, _ := strings.Cut(err.Error(), "\n")
		return nil, refuse("module is not valid: %s", reason)
	}
	h.prune(h.config.CacheBytes)
	return compiled, nil
}

// compileModule is the compiler. A module that makes it panic must not take the process along.
func (h *Host) compileModule(ctx context.Context, wasm []byte) (_ wazero.CompiledModule, err error) {
	defer func() {
		if r := recover(); r != nil {
			h.config.Logger.Error("compiler panicked", "panic", r, "stack", string(debug.Stack()))
			err = errors.New("the compiler failed")
		}
	}()
	return h.runtime.CompileModule(context.WithoutCancel(ctx), wasm)
}

// isCacheError tells a cache that cannot be read or written from a module that is not valid.
func isCacheError(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) || err != nil && strings.Contains(err.Error(), "compilationcache")
}

// prune cuts the cache on disk, if there is one, down to bytes.
func (h *Host) prune(bytes int64) {
	if h.config.CacheDir == "" {
		return
	}
	if err := prune(h.config.CacheDir, bytes); err != nil {
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
