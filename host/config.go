package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"time"

	"github.com/millrace/millrace/abi"
)

// Config says how a Host runs. A zero field takes its default.
type Config struct {
	CacheDir         string        // holds compiled modules between runs, made private (0700); empty keeps none
	CacheBytes       int64         // of CacheDir; the files used longest ago go first; default 8 GiB
	Compiler         []string      // command of a process that calls CompileMain, for each compilation; empty compiles in this one
	CompileTimeout   time.Duration // of a compiler process, of processor time; default 30 s, and 4 times that by the clock
	CompileBytes     int64         // of memory, for a compiler process; default 1 GiB
	Compilations     int           // at a time; default 2
	ModuleBytes      int           // of an uploaded module; default abi.MaxModuleBytes
	MemoryBytes      int64         // of one instance's linear memory, in whole pages of 64 KiB; default abi.MaxMemoryBytes
	TotalMemoryBytes int64         // that the process may hold, past which plugins get no more; default half of the machine's
	CodeBytes        int64         // of loaded code; past it code that nobody uses is unloaded; default half of TotalMemoryBytes, at least 512 MiB
	SendBytes        int           // of one event's data, comment, published event, stored value; default abi.MaxSendBytes
	StoreBytes       int           // published and put in a second, by all calls on one Share; default 8 MiB, at least SendBytes
	StartTimeout     time.Duration // for a start function and _initialize together; default 5 s
	EventTimeout     time.Duration // by the wall clock, for one onEvent call; default 1 s, so that load alone does not trip it
	CPUSlice         time.Duration // of processor time, for onStream between two calls of the host; default 100 ms
	CPUEvent         time.Duration // of processor time, for one onEvent call; default 50 ms
	CPUShare         float64       // of processors, for all calls on one Share; default half of GOMAXPROCS
	CallDepth        int           // calls inside each other; default 10,000
	StackBytes       int           // of one instance, for calls inside each other; default 2 MiB
	Grace            time.Duration // from the end of a stream until its callback is stopped; default 1 s
	Remotes          int           // streams that one instance may hold open; default abi.MaxRemotes
	IdleInstances    int           // of one plugin for onEvent, and so its calls at a time; default GOMAXPROCS
	Instances        int           // live on this node, past it ErrBusy; default 10,000
	Logger           *slog.Logger  // the host's own log; default none

	// Module returns the bytes of a module by its digest, of one that a Plugin was prepared of. Code that
	// was unloaded is made of them where the cache on disk has lost it; without Module none is unloaded.
	Module func(ctx context.Context, digest string) ([]byte, error)
}

func (c Config) withDefaults() (_ Config, err error) {
	c.CacheBytes = cmp.Or(c.CacheBytes, 8<<30)
	c.CompileTimeout = cmp.Or(c.CompileTimeout, 30*time.Second)
	c.CompileBytes = cmp.Or(c.CompileBytes, 1<<30)
	c.Compilations = cmp.Or(c.Compilations, 2)
	c.ModuleBytes = cmp.Or(c.ModuleBytes, abi.MaxModuleBytes)
	c.MemoryBytes = cmp.Or(c.MemoryBytes, abi.MaxMemoryBytes)
	c.TotalMemoryBytes = cmp.Or(c.TotalMemoryBytes, defaultMemory())
	c.CodeBytes = cmp.Or(c.CodeBytes, max(c.TotalMemoryBytes/2, 512<<20))
	c.SendBytes = cmp.Or(c.SendBytes, abi.MaxSendBytes)
	c.StoreBytes = cmp.Or(c.StoreBytes, max(8<<20, c.SendBytes))
	c.StartTimeout = cmp.Or(c.StartTimeout, 5*time.Second)
	c.EventTimeout = cmp.Or(c.EventTimeout, time.Second)
	c.CPUSlice = cmp.Or(c.CPUSlice, 100*time.Millisecond)
	c.CPUEvent = cmp.Or(c.CPUEvent, 50*time.Millisecond)
	c.CPUShare = cmp.Or(c.CPUShare, float64(runtime.GOMAXPROCS(0))/2)
	c.CallDepth = cmp.Or(c.CallDepth, 10_000)
	c.StackBytes = cmp.Or(c.StackBytes, 2<<20)
	c.Grace = cmp.Or(c.Grace, time.Second)
	c.Remotes = cmp.Or(c.Remotes, abi.MaxRemotes)
	c.IdleInstances = cmp.Or(c.IdleInstances, runtime.GOMAXPROCS(0))
	c.Instances = cmp.Or(c.Instances, 10_000)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, f := range []struct {
		name           string
		value, min, to int64
	}{
		{"cache bytes", c.CacheBytes, 1, math.MaxInt64},
		{"compile timeout", int64(c.CompileTimeout), 1, math.MaxInt64 / 2},
		{"compile bytes", c.CompileBytes, 16 << 20, math.MaxInt64 / 2},
		{"compilations", int64(c.Compilations), 1, 1 << 10},
		{"module bytes", int64(c.ModuleBytes), 8, 1 << 30},
		{"memory bytes", c.MemoryBytes, pageBytes, 1 << 32},
		{"total memory bytes", c.TotalMemoryBytes, 1 << 20, math.MaxInt64},
		{"code bytes", c.CodeBytes, 1, math.MaxInt64},
		{"send bytes", int64(c.SendBytes), 1, 1 << 30},
		{"store bytes", int64(c.StoreBytes), int64(c.SendBytes), 1 << 40},
		{"start timeout", int64(c.StartTimeout), 1, math.MaxInt64},
		{"event timeout", int64(c.EventTimeout), 1, math.MaxInt64},
		{"cpu slice", int64(c.CPUSlice), 1, math.MaxInt64},
		{"cpu per event", int64(c.CPUEvent), 1, math.MaxInt64},
		{"cpu share in thousandths", int64(c.CPUShare * 1000), 1, 1 << 20},
		{"call depth", int64(c.CallDepth), 1, 1 << 20},
		{"stack bytes", int64(c.StackBytes), 64 << 10, 1 << 30},
		{"grace", int64(c.Grace), 1, math.MaxInt64},
		{"remotes", int64(c.Remotes), 1, 1 << 16},
		{"idle instances", int64(c.IdleInstances), 1, math.MaxInt32},
		{"instances", int64(c.Instances), 1, math.MaxInt32},
	} {
		if f.value < f.min || f.value > f.to {
			err = errors.Join(err, fmt.Errorf("%s: %d is not within %d and %d", f.name, f.value, f.min, f.to))
		}
	}
	return c, err
}
