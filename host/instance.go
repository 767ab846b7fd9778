package host

import (
	"context"
	"crypto/rand"
	"log/slog"
	"runtime"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
	"golang.org/x/time/rate"
)

// kvPutsPerSecond is how often one instance may store a value.
const kvPutsPerSecond = 100

// instance is a running copy of a module, with its own memory, for one callback. One goroutine at
// a time owns it, and only that one closes it.
type instance struct {
	code     *code
	module   api.Module
	callback api.Function // looked up once: that costs 4 µs and 12 KB
	call     *call        // what runs now
	clock    clock
	stdout   lineWriter
	stderr   lineWriter
	puts     *rate.Limiter
	record   []byte // received, until it fitted the guest's buffer; kept for the next to use
	result   [1]uint64
}

// start makes an instance of c for the callback, or for none, and runs what the module runs at its
// start. The instance takes the caller's reference of c, also when it fails. A module's own failure
// is a *TrapError.
func (c *code) start(ctx context.Context, callback string, log *pluginLog, sink lineSink) (*instance, error) {
	if err := c.host.enter(1); err != nil {
		c.drop()
		return nil, err
	}
	c.host.started.Add(1)
	i := &instance{
		code:  c,
		clock: clock{began: c.host.began},
		puts:  rate.NewLimiter(kvPutsPerSecond, kvPutsPerSecond),
	}
	i.stdout = lineWriter{instance: i, level: slog.LevelInfo}
	i.stderr = lineWriter{instance: i, level: slog.LevelWarn}
	if err := i.initialize(ctx, log, sink); err != nil {
		i.close()
		return nil, err
	}
	if callback != "" {
		i.callback = i.module.ExportedFunction(callback)
	}
	return i, nil
}

// initialize runs the module's start function, if any, and _initialize. Only their own time limit
// stops them: that whoever asked has left is no fault of the module.
func (i *instance) initialize(ctx context.Context, log *pluginLog, sink lineSink) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), i.code.host.config.StartTimeout)
	defer cancel()
	c := &call{host: i.code.host, phase: starting, ends: ctx, log: log, session: Session{Log: sink}}
	defer i.begin(c)()
	ctx = withCall(ctx, c)
	var err error
	i.module, err = i.code.host.runtime.InstantiateModule(ctx, i.code.compiled, i.config())
	if err != nil {
		return explain(ctx, abi.Initialize, LimitStart, err)
	}
	if start := i.module.ExportedFunction(abi.Initialize); start != nil {
		return explain(ctx, abi.Initialize, LimitStart, start.CallWithStack(ctx, nil))
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
		WithRandSource(rand.Reader).
		WithWalltime(i.clock.walltime, sys.ClockResolution(time.Microsecond)).
		WithNanotime(i.clock.nanotime, sys.ClockResolution(time.Nanosecond)).
		WithNanosleep(i.nanosleep).
		WithOsyield(runtime.Gosched)
}

// nanosleep is the sleep of WASI. A stream's guest goes on when its stream ends; any other would do
// so with a clock that is wrong from then on, and is stopped.
func (i *instance) nanosleep(ns int64) {
	i.clock.sleep(i.call.ends, time.Duration(ns))
	if i.call.phase != streaming && i.call.ends.Err() != nil {
		panic(sys.NewExitError(sys.ExitCodeDeadlineExceeded))
	}
}

// begin makes c the call that runs, until done is called.
func (i *instance) begin(c *call) (done func()) {
	i.call, c.instance = c, i
	i.record = i.record[:0]
	return func() {
		i.stdout.flush()
		i.stderr.flush()
		i.call = nil
	}
}

// run runs the callback for c and returns its result. Once ctx ends the guest is stopped, which is
// a *TrapError with the limit. A guest that exits with 0 has returned 0.
func (i *instance) run(ctx context.Context, c *call, name string, limit Limit) (int32, error) {
	defer i.begin(c)()
	ctx = withCall(ctx, c)
	err := i.callback.CallWithStack(ctx, i.result[:])
	switch {
	case err == nil:
		return int32(uint32(i.result[0])), nil
	case exited(err):
		return 0, nil
	}
	c.host.traps.Add(1)
	return 0, explain(ctx, name, limit, err)
}

// reusable tells whether the instance may run again after run with ctx. While ctx has not ended
// nobody else can have closed it.
func (i *instance) reusable(ctx context.Context) bool {
	return ctx.Err() == nil && !i.module.IsClosed()
}

// close frees the instance and gives its reference of the code back.
func (i *instance) close() {
	if i.module != nil {
		if err := i.module.Close(context.Background()); err != nil {
			i.code.host.config.Logger.Error("close instance", "digest", i.code.info.Digest, "error", err)
		}
	}
	i.code.drop()
	i.code.host.leave(1)
}
