package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
)

// Bounds of loading what was unloaded.
const (
	fetchTimeout = 10 * time.Second // for Config.Module
	retryTime    = time.Second      // until a load that failed is tried again
)

// use counts an instance that is about to run the code, which is loaded first if it is not, by one
// caller however many wait. done counts it off.
func (c *code) use(ctx context.Context) error {
	for {
		loading, mine, err := c.reserve()
		switch {
		case err != nil:
			return err
		case mine:
			return c.loadFor(ctx)
		case loading == nil:
			return nil
		}
		select {
		case <-loading:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reserve counts an instance of code that is loaded. Else it returns what to wait for, or leaves it to
// the caller to load.
func (c *code) reserve() (loading chan struct{}, mine bool, err error) {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	switch {
	case c.compiled != nil:
		c.count(1)
	case c.loading != nil:
		return c.loading, false, nil
	case time.Now().Before(c.retryAt):
		return nil, false, ErrNotLoaded
	default:
		c.loading = make(chan struct{})
		return c.loading, true, nil
	}
	return nil, false, nil
}

// done counts an instance off, which has been closed, and gives its reference back.
func (c *code) done() {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	c.count(-1)
	c.release()
}

// count counts instances, and notes that the code was used. It needs Host.mu.
func (c *code) count(n int) {
	c.running += n
	c.host.turns++
	c.turn = c.host.turns
	c.used.Store(c.host.events.Load())
}

// loadFor loads the code for the caller's instance, which it counts, and for all that wait.
func (c *code) loadFor(ctx context.Context) error {
	var compiled wazero.CompiledModule
	err := errUnbuilt
	defer func() {
		c.loaded(ctx, compiled, err)
		c.host.makeRoom()
	}()
	if compiled, err = c.load(ctx); err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return ErrNotLoaded // even of a refusal: it is the same module that was not refused when it came
}

// loaded ends a load. That the caller's time was up is no failure for the others that wait: one of them
// loads.
func (c *code) loaded(ctx context.Context, compiled wazero.CompiledModule, err error) {
	h := c.host
	h.mu.Lock()
	defer h.mu.Unlock()
	close(c.loading)
	c.loading = nil
	switch {
	case err == nil:
		c.compiled = compiled
		c.count(1)
		h.loadedBytes += c.bytes
		h.reloads.Add(1)
	case ctx.Err() == nil:
		c.retryAt = time.Now().Add(retryTime)
		h.failedLoads.Add(1)
		h.config.Logger.Error("load module", "digest", c.info.Digest, "error", err)
	}
}

// load makes the code of the copy in the cache, or of the module itself. As many as have slots do that
// at a time; those that only need the disk do not wait for those that ask others.
func (c *code) load(ctx context.Context) (wazero.CompiledModule, error) {
	compiled, err := c.loadCopy(ctx)
	if !errors.Is(err, errNoCopy) {
		return compiled, err
	}
	return c.loadModule(ctx)
}

func (c *code) loadCopy(ctx context.Context) (wazero.CompiledModule, error) {
	h := c.host
	if err := h.loads.take(ctx); err != nil {
		return nil, err
	}
	defer h.loads.giveBack()
	rewritten, err := h.cache.copyOf(c.sum)
	if err != nil {
		return nil, err
	}
	return h.compiled(ctx, c.info.Digest, rewritten)
}

func (c *code) loadModule(ctx context.Context) (wazero.CompiledModule, error) {
	h := c.host
	if err := h.fetches.take(ctx); err != nil {
		return nil, err
	}
	defer h.fetches.giveBack()
	module, err := c.fetch(ctx)
	if err != nil {
		return nil, err
	}
	again := &code{host: h, info: c.info}
	var rewritten []byte
	err = h.contain(func() error {
		m, err := h.vet(module)
		if err == nil {
			rewritten, err = again.rewrite(m)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	h.keep(again.sum, rewritten)
	return h.compiled(ctx, c.info.Digest, rewritten)
}

// fetch asks for the module as it came.
func (c *code) fetch(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	module, err := c.host.config.Module(ctx, c.info.Digest)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	if got := digestOf(module); got != c.info.Digest {
		return nil, fmt.Errorf("read module: the digest is %s", got)
	}
	return module, nil
}

// digestOf is the digest of a module, sha256: and hex.
func digestOf(module []byte) string {
	sum := sha256.Sum256(module)
	return "sha256:" + hex.EncodeToString(sum[:])
}
