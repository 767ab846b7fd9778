package sandbox_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// roundTime is about what a round takes: short beside what the system lets a process run for, so that
// on a busy machine a round of a slow way is cut no more often than that of a fast one.
const roundTime = 200 * time.Microsecond

// contestant is one way, and what a call took in each of its rounds.
type contestant struct {
	name   string
	give   way
	calls  int // a round
	rounds []time.Duration
}

func (c *contestant) call(b *testing.B) {
	if got, err := c.give(event); err != nil || got != answer {
		b.Fatalf("%s: answer %q, error %v", c.name, got, err)
	}
}

// warm runs the way for a while and chooses how many calls make a round.
func (c *contestant) warm(b *testing.B) {
	least := time.Hour
	for range 100 {
		start := time.Now()
		c.call(b)
		least = min(least, time.Since(start))
	}
	c.calls = max(1, int(roundTime/least))
}

func (c *contestant) round(b *testing.B) {
	start := time.Now()
	for range c.calls {
		c.call(b)
	}
	c.rounds = append(c.rounds, time.Since(start)/time.Duration(c.calls))
}

// nanoseconds is what a call took in the round that was slower than a quarter of all.
func (c *contestant) nanoseconds() float64 {
	slices.Sort(c.rounds)
	return float64(c.rounds[len(c.rounds)/4])
}

// BenchmarkEvent gives events of 200 bytes to guests that answer each with its data in upper case.
// The ways take turns, so that other work on the machine meets them all alike. It reports the first
// quartile of each and its ratio to the host's.
func BenchmarkEvent(b *testing.B) {
	for _, guest := range []struct {
		name             string
		millrace, extism func() []byte
	}{
		{"C", func() []byte { return read(b, "c/millrace.wasm") }, func() []byte { return read(b, "c/extism.wasm") }},
		{"Rust", func() []byte { return read(b, "rust/millrace.wasm") }, func() []byte { return read(b, "rust/extism.wasm") }},
		{"Go", func() []byte { return buildGo(b, "raw") }, func() []byte { return buildGo(b, "extism") }},
		{"Go with SDK", func() []byte { return buildGo(b, "sdk") }, func() []byte { return buildGo(b, "extism") }},
	} {
		b.Run(guest.name, func(b *testing.B) {
			compare(b, guest.millrace(), guest.extism())
		})
	}
}

// compare runs module in each way, and the equal plugin for Extism, if there is one.
func compare(b *testing.B, module, rival []byte) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	config := wazero.NewRuntimeConfigCompiler()
	alone := newBare(b, ctx, metered(b, module), config)
	ways := []*contestant{
		{name: "host", give: asHost(b, module)},
		{name: "plain", give: newBare(b, ctx, module, config).way},
		{name: "metered", give: alone.way},
		{name: "context", give: newBare(b, ctx, module, config.WithCloseOnContextDone(true)).way},
	}
	if rival != nil {
		ways = append(ways,
			&contestant{name: "extism", give: inExtism(b, rival, 0)},
			&contestant{name: "extism-timeout", give: inExtism(b, rival, time.Second)})
	}
	for _, w := range ways {
		w.warm(b)
	}
	before := alone.spent()
	for b.Loop() {
		for _, i := range rand.Perm(len(ways)) { // none always collects what the one before it left
			ways[i].round(b)
		}
	}
	ours := ways[0].nanoseconds()
	b.ReportMetric(0, "ns/op") // of all ways together: says nothing
	for _, w := range ways {
		b.ReportMetric(w.nanoseconds(), w.name+"-ns")
		b.ReportMetric(w.nanoseconds()/ours, w.name+"/host")
	}
	b.ReportMetric(float64(alone.spent()-before)/float64(len(ways[2].rounds)*ways[2].calls), "fuel/event")
}
