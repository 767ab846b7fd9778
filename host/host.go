// Package host prepares and runs plugins: modules of WebAssembly that come from strangers.
//
// A module goes one way: it is vetted, metered, compiled in a process of its own, started once, and
// then run from a snapshot of that start, with an instance of its own for each onStream and a few
// that take turns for the other callbacks. The package owns the runtime, the compiled modules, every
// instance and the host functions; what a plugin sends to, reads from, opens and stores in comes in
// with each call. It knows nothing of HTTP, routes, tenants or NATS.
package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// Host prepares and runs plugins. Its methods are safe for concurrent use.
type Host struct {
	config  Config
	runtime wazero.Runtime
	cache   *cache
	imports map[string]map[string]signature // what modules may import
	began   time.Time                       // zero of the guests' monotonic clocks
	slots   slots                           // for compilations

	mu        sync.Mutex
	closed    bool
	codes     map[string]*code     // by digest
	builds    map[string]*building // by digest
	plugins   map[*Plugin]struct{}
	work      int           // preparations that run, plugins, instances: all that Close waits for
	drained   chan struct{} // closed once closed is true and work is 0
	instances int
	live      map[*instance]struct{}
	memory    memory

	loadedBytes    int64  // of mu: that loaded code takes, about
	turns          uint64 // of mu
	loads, fetches slots

	streams, events, traps, started, droppedLines atomic.Uint64
	unloads, reloads, failedLoads                 atomic.Uint64
}

// Stats is what a Host has done since New, and what it holds now.
type Stats struct {
	Instances    int64  // live now, the idle ones among them
	Modules      int64  // prepared and held by a plugin now
	Loaded       int64  // of these
	LoadedBytes  int64  // that their code takes, about; more than CodeBytes if all that is loaded is in use
	CodeBytes    int64  // of the configuration
	Unloads      uint64 // of code that nobody used, for other code
	Reloads      uint64 // of such code
	FailedLoads  uint64
	Started      uint64 // instances
	Streams      uint64 // onStream callbacks that ran
	Events       uint64 // onEvent calls, and those of the other callbacks that do not last
	Traps        uint64 // callbacks that ended with a TrapError
	DroppedLines uint64 // lines of plugins' logs beyond their rate
}

// New makes a Host. Close it.
func New(ctx context.Context, c Config) (*Host, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("host configuration: %w", err)
	}
	c.Instances = possibleInstances(c)
	cache, err := openCache(ctx, c)
	if err != nil {
		return nil, err
	}
	h := &Host{
		config:  c,
		cache:   cache,
		began:   time.Now(),
		slots:   make(slots, c.Compilations),
		loads:   make(slots, max(2, runtime.GOMAXPROCS(0))),
		fetches: make(slots, max(2, runtime.GOMAXPROCS(0))),
		codes:   map[string]*code{},
		builds:  map[string]*building{},
		plugins: map[*Plugin]struct{}{},
		drained: make(chan struct{}),
		live:    map[*instance]struct{}{},
	}
	h.memory.most, h.memory.birth = c.TotalMemoryBytes, h.began
	h.runtime = wazero.NewRuntimeWithConfig(ctx, runtimeConfig(c.MemoryBytes, cache.wazero))
	if err := h.provide(ctx); err != nil {
		return nil, errors.Join(err, h.runtime.Close(ctx), cache.close(ctx))
	}
	return h, nil
}

// possibleInstances is Config.Instances, or less where the system has no room for their memories.
func possibleInstances(c Config) int {
	most := mostRegions()
	if most == 0 || c.Instances <= most {
		return c.Instances
	}
	c.Logger.Warn("fewer instances than configured: raise vm.max_map_count", "configured", c.Instances, "possible", most)
	return most
}

// runtimeConfig compiles without WithCloseOnContextDone, which makes loops 4 to 16 times slower:
// modules are metered, and stop by themselves.
func runtimeConfig(memoryBytes int64, cache wazero.CompilationCache) wazero.RuntimeConfig {
	return wazero.NewRuntimeConfigCompiler().
		WithCompilationCache(cache).
		WithDebugInfoEnabled(false). // DWARF comes from strangers too, and is read where nothing recovers
		WithMemoryLimitPages(uint32(memoryBytes / pageBytes))
}

// provide instantiates the two modules that plugins import from, and notes what they hold.
func (h *Host) provide(ctx context.Context) error {
	if _, err := h.metering().Instantiate(ctx); err != nil {
		return fmt.Errorf("instantiate module %s: %w", wasm.MeterModule, err)
	}
	h.imports = map[string]map[string]signature{}
	for name, builder := range map[string]interface {
		Compile(context.Context) (wazero.CompiledModule, error)
	}{
		abi.Module: h.functions(),
		abi.WASI:   wasi_snapshot_preview1.NewBuilder(h.runtime),
	} {
		compiled, err := builder.Compile(ctx)
		if err != nil {
			return fmt.Errorf("compile module %s: %w", name, err)
		}
		if _, err := h.runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(name)); err != nil {
			return fmt.Errorf("instantiate module %s: %w", name, err)
		}
		h.imports[name] = map[string]signature{}
		for function, definition := range compiled.ExportedFunctions() {
			h.imports[name][function] = signatureOf(definition)
		}
	}
	return nil
}

// Stats returns the counters' present values.
func (h *Host) Stats() Stats {
	h.mu.Lock()
	instances, modules, loaded, loadedBytes := h.instances, len(h.codes), 0, h.loadedBytes
	for _, c := range h.codes {
		if c.compiled != nil {
			loaded++
		}
	}
	h.mu.Unlock()
	return Stats{
		Instances:    int64(instances),
		Modules:      int64(modules),
		Loaded:       int64(loaded),
		LoadedBytes:  loadedBytes,
		CodeBytes:    h.config.CodeBytes,
		Unloads:      h.unloads.Load(),
		Reloads:      h.reloads.Load(),
		FailedLoads:  h.failedLoads.Load(),
		Started:      h.started.Load(),
		Streams:      h.streams.Load(),
		Events:       h.events.Load(),
		Traps:        h.traps.Load(),
		DroppedLines: h.droppedLines.Load(),
	}
}

// Close releases all plugins and waits for callbacks that run, whose contexts must have ended, and
// for preparations. If ctx ends first, the Host stays as it is, closed to new work, and Close can
// be called again.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		h.signalDrained()
	}
	plugins := make([]*Plugin, 0, len(h.plugins))
	for p := range h.plugins {
		plugins = append(plugins, p)
	}
	h.mu.Unlock()
	for _, p := range plugins {
		p.Release()
	}
	select {
	case <-h.drained:
		return errors.Join(h.runtime.Close(ctx), h.cache.close(ctx))
	case <-ctx.Done():
		return fmt.Errorf("wait for callbacks: %w", ctx.Err())
	}
}

// enter counts one piece of work that Close has to wait for, and that many instances.
func (h *Host) enter(instances int) error {
	if instances > 0 && h.isFull() {
		return ErrBusy
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrReleased
	}
	if h.instances+instances > h.config.Instances {
		return ErrBusy
	}
	h.work++
	h.instances += instances
	return nil
}

// leave undoes enter.
func (h *Host) leave(instances int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.work--
	h.instances -= instances
	h.signalDrained()
}

// add lists an instance that lives, for reap.
func (h *Host) add(i *instance) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live[i] = struct{}{}
}

// remove takes an instance from the list, if it is there.
func (h *Host) remove(i *instance) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.live, i)
}

// signalDrained wakes Close when nothing is left. It needs mu.
func (h *Host) signalDrained() {
	if h.closed && h.work == 0 {
		close(h.drained)
	}
}
