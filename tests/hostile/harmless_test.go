//go:build linux

package hostile

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/op"
)

// soonest is client.soon on a machine that has time. On another it is so many times what the first of
// the harmless guests takes from its upload on.
const (
	soonest = 500 * time.Millisecond
	patient = 8
)

// warmUp drives harmless guests of each kind, several times.
func warmUp(t *testing.T, c *client, rounds int) {
	t.Helper()
	for i := range rounds {
		for n, a := range harmless() {
			began := time.Now()
			a.run(t, c, fmt.Sprintf("warm-%d", i))
			if n == 0 {
				c.soon = max(c.soon, patient*time.Since(began))
			}
		}
	}
	t.Logf("soon is %v", c.soon.Round(time.Millisecond))
}

// harmless are guests that attack nothing, and do each of the things that make a server and its
// runtime keep something for the next time: many events, large ones, a large module, a deep stack.
func harmless() []attack {
	mib := span{large, 1 << 20}
	return []attack{
		{name: "a stream", guest: func(g *guest) { g.stream(g.survive()) }, viewers: 20, sees: survived},
		{name: "events", guest: func(g *guest) { g.event() }, viewers: 20, events: 2000, sees: nameOf(1999)},
		{
			name: "megabytes",
			guest: func(g *guest) {
				g.pages = 20
				g.stream(
					op.Const32(large), op.Const32(' '), op.Const32(1<<20), op.MemoryFill,
					op.Times(0, 8, g.expect(abi.OK, "send", mib, "", ""), g.ignore("publish", "out", mib, "", ""),
						g.ignore("kvPut", "key", mib, 0), g.ignore("log", 1, mib)),
					g.survive())
			},
			viewers: 8,
			sees:    survived,
		},
		{
			name: "a deep stack in a large module",
			guest: func(g *guest) {
				self := g.Func("i:", "", op.Get(0), op.If(op.Get(0), op.Const32(1), op.Sub, op.Call(g.Next())))
				g.stream(op.Const32(9_000), op.Call(self), g.survive())
				g.Data(large, make([]byte, 1<<20))
				g.pages = 40
			},
			viewers: 8,
			sees:    survived,
		},
	}
}
