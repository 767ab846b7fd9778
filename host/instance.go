package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
	"golang.org/x/time/rate"
)

// How often one instance may store a value, and open a remote stream.
const (
	kvPutsPerSecond = 100
	opensPerSecond  = 100
)

// instance is a running copy of a module, with its own memory: for one onStream, or for one after the
// other of the callbacks that do not last. One goroutine at a time owns it, and only that one closes
// it.
type instance struct {
	code      *code
	module    api.Module
	memory    *region
	callbacks []callback
	call      call // what runs now, or ran last
	clock     clock
	meter     meter
	stack     stack                 // of the function that runs
	fuel      api.MutableGlobal     // what is left; nil while wazero instantiates
	share     atomic.Pointer[Share] // that it runs on, or ran on last; nil: unlimited
	stdout    lineWriter
	stderr    lineWriter
	puts      *rate.Limiter
	opens     *rate.Limiter
	result    [1]uint64

	pool    *pool                              // that it returns to; nil: none
	stopped atomic.Bool                        // for holding too much memory
	wake    atomic.Pointer[context.CancelFunc] // ends a wait
}

// callback is an export that was looked up once: that costs 4 µs and 12 KB.
type callback struct {
	name     string
	function api.Function
	stack    stack
}

// start makes an instance of c, of the pool if there is one, and runs what the module runs at its
// start. If the code has to be loaded for that it waits until ctx ends. The instance takes the caller's reference of c, also when it fails. A module's own failure is
// a *TrapError.
func (c *code) start(ctx context.Context, log *pluginLog, sink lineSink, share *Share, pool *pool) (*instance, error) {
	if err := c.host.enter(1); err != nil {
		c.drop()
		return nil, err
	}
	if err := c.use(ctx); err != nil {
		c.drop()
		c.host.leave(1)
		return nil, err
	}
	c.host.started.Add(1)
	i := &instance{
		code:  c,
		pool:  pool,
		clock: clock{began: c.host.began},
		puts:  rate.NewLimiter(kvPutsPerSecond, kvPutsPerSecond),
		opens: rate.NewLimiter(opensPerSecond, opensPerSecond),
	}
	i.call.guest.call, i.call.instance, i.call.host = &i.call, i, c.host
	i.stdout = lineWriter{instance: i, level: slog.LevelInfo}
	i.stderr = lineWriter{instance: i, level: slog.LevelWarn}
	if err := i.initialize(ctx, log, sink, share); err != nil {
		i.close()
		return nil, err
	}
	c.host.add(i)
	return i, nil
}

// initialize makes the module's instance and brings it to where callbacks can run: from its code's
// snapshot, or by running its start function, if any, and _initialize. Only their own time limit
// stops them: that whoever asked has left is no fault of the module.
func (i *instance) initialize(ctx context.Context, log *pluginLog, sink lineSink, share *Share) error {
	if err := i.reserve(); err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), i.code.host.config.StartTimeout)
	defer cancel()
	c := i.next(starting, log, share)
	c.session.Log, c.ends, c.hard = sink, ctx, ctx
	i.begin()
	defer i.done()
	var err error
	i.module, err = i.code.host.runtime.InstantiateModule(i.memory.within(&c.guest), i.code.compiled, i.config())
	if err != nil {
		return i.code.explain(abi.Initialize, err)
	}
	i.fuel = i.module.ExportedGlobal(wasm.FuelExport).(api.MutableGlobal)
	if s := i.code.snapshot; s != nil {
		return s.restore(i.module)
	}
	return i.code.explain(abi.Initialize, i.boot(&c.guest))
}

// reserve makes the memory that the module starts with. Once it is there wazero need not ask for
// memory where it does not expect to be refused.
func (i *instance) reserve() (err error) {
	c := i.code
	if i.memory, err = newRegion(c.host.config.MemoryBytes/pageBytes*pageBytes, c.host.isFull); err != nil {
		return err
	}
	if c.snapshot != nil {
		return i.memory.show(c.snapshot.image)
	}
	return i.memory.openTo(uint64(c.pages) * pageBytes)
}

// boot runs what the module runs at its start.
func (i *instance) boot(ctx context.Context) error {
	if s := i.code.seed; s != nil {
		if err := plant(ctx, s, i.module); err != nil {
			return err
		}
	}
	if start := i.module.ExportedFunction(abi.Initialize); start != nil {
		i.stack = stackOf(start)
		return start.CallWithStack(ctx, nil)
	}
	return nil
}

// config is what the module finds around it: nothing but clocks, randomness and a log.
func (i *instance) config() wazero.ModuleConfig {
	return wazero.NewModuleConfig().
		WithName(""). // many live at once, so none is known by name
		WithStartFunctions().
		WithStdout(&i.stdout).
		WithStderr(&i.stderr).
		WithRandSource(wasiRandom{i}).
		WithWalltime(i.clock.walltime, sys.ClockResolution(time.Microsecond)).
		WithNanotime(i.clock.nanotime, sys.ClockResolution(time.Nanosecond)).
		WithNanosleep(i.nanosleep).
		WithOsyield(runtime.Gosched)
}

// wasiRandom is WASI's source of random bytes.
type wasiRandom struct{ instance *instance }

// Read never fails.
func (r wasiRandom) Read(b []byte) (int, error) {
	r.instance.enterWASI(len(b))
	return rand.Read(b)
}

// nanosleep is the sleep of WASI. A stream's guest goes on when its stream ends; any other would do
// so with a clock that is wrong from then on, and is stopped.
func (i *instance) nanosleep(ns int64) {
	c := &i.call
	c.enterHost()
	c.park()
	i.clock.sleep(c.ending(), time.Duration(ns))
	if f := c.overdue(); f != nil {
		panic(f)
	}
}

// next makes the instance's call ready for another run.
func (i *instance) next(p phase, log *pluginLog, share *Share) *call {
	i.share.Store(share)
	i.call.phase, i.call.log = p, log
	return &i.call
}

// begin begins the call that is ready.
func (i *instance) begin() {
	i.call.park() // what passed meanwhile is not the guest's
	i.meter.forget(i.share.Load())
}

// done ends the call, and lets go of all that it refers to.
func (i *instance) done() {
	c := &i.call
	i.stdout.flush()
	i.stderr.flush()
	c.remotes.close()
	c.lifetime.end()
	c.inbox.taken()
	c.session, c.progress = Session{}, progress{}
}

// run runs a callback for the call that is ready, and returns its result and its outcome. Past its
// lifetime the guest is stopped, which is a *TrapError with the call's limit. A guest that exits with
// 0 has returned 0.
func (i *instance) run(name string) (int32, Outcome, error) {
	i.begin()
	defer i.done()
	c := &i.call
	callback := i.callback(name)
	i.stack = callback.stack
	err := callback.function.CallWithStack(&c.guest, i.result[:])
	if f := i.dispossessed(); f != nil && (err == nil || exited(err)) {
		err = f // what it returned once its wait was cut short says nothing
	}
	switch {
	case err == nil:
		return int32(uint32(i.result[0])), c.outcome, nil
	case exited(err):
		return 0, c.outcome, nil
	}
	c.host.traps.Add(1)
	return 0, Outcome{}, i.code.explain(name, err)
}

// callback is the callback of that name, which the module exports.
func (i *instance) callback(name string) callback {
	for _, c := range i.callbacks {
		if c.name == name {
			return c
		}
	}
	f := i.module.ExportedFunction(name)
	i.callbacks = append(i.callbacks, callback{name, f, stackOf(f)})
	return i.callbacks[len(i.callbacks)-1]
}

// overgrown is what a guest is to be stopped with whose calls take too much stack. Between two looks
// it can take more, up to wazero's own limit, as long as it runs.
func (i *instance) overgrown() *fault {
	if most := i.code.host.config.StackBytes; i.stack.size() > most {
		return &fault{fmt.Sprintf("more than %d bytes of stack for calls inside each other", most), LimitStackBytes}
	}
	return nil
}

// close frees the instance and gives its reference of the code back. Its memory goes last, and goes
// whatever wazero thinks: it has nothing left to close of a module that it stopped itself.
func (i *instance) close() {
	var err error
	if i.module != nil {
		i.settle(i.share.Load())
		err = i.module.Close(context.Background())
	}
	if i.memory != nil {
		err = errors.Join(err, i.memory.unmap())
	}
	if err != nil {
		i.code.host.config.Logger.Error("close instance", "digest", i.code.info.Digest, "error", err)
	}
	i.code.host.remove(i)
	i.code.done()
	i.code.host.leave(1)
}
