//go:build linux

package hostile

import (
	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/module"
	"github.com/millrace/millrace/tests/hostile/op"
)

// after runs code once a global, which counts each run of this, has come to n.
func after(g *guest, n int32, code []byte) []byte {
	runs := g.Global(op.I32, op.Const32(0))
	return cat(op.GlobalGet(runs), op.Const32(1), op.Add, op.GlobalSet(runs),
		op.GlobalGet(runs), op.Const32(n), op.Equal, op.If(code))
}

// lives are plugins that behave before or after they do not.
func lives() []attack {
	const hour = 3600 // events, one a second
	attacks := []attack{
		{
			name: "works for an hour of events, and then never returns",
			guest: func(g *guest) {
				g.event(after(g, hour, op.Forever()))
			},
			events: 2 * hour,
			fails:  pastEvent,
			log:    pastEvent,
		},
		{
			name: "works for an hour of events, and then calls itself",
			guest: func(g *guest) {
				g.event(after(g, hour, op.Call(endless(g))))
			},
			events: 2 * hour,
			fails:  pastDepth,
			log:    pastDepth,
		},
		{
			name: "works for an hour of events, and then takes all the memory",
			guest: func(g *guest) {
				g.event(after(g, hour, cat(growMemory(1), touch(), bounded())))
			},
			events: 2 * hour,
			sees:   nameOf(2*hour - 1),
		},
		{
			name: "sends for an hour, and then never returns",
			guest: func(g *guest) {
				g.stream(op.Times(0, hour, g.expect(abi.OK, "send", "tick", "", "")), op.Forever())
			},
			sees:  "^tick$",
			fails: pastSlice,
			log:   pastSlice,
		},
		{
			name: "calls its own _initialize and its own callback",
			guest: func(g *guest) {
				runs := g.Global(op.I32, op.Const32(0))
				begin := g.Func(":", "", op.GlobalGet(runs), op.Const32(1), op.Add, op.GlobalSet(runs))
				g.Export(abi.Initialize, module.Func, begin)
				g.stream(op.Call(begin), op.Call(begin), op.GlobalGet(runs), op.Const32(3), op.Equal,
					op.If(op.Call(g.Next()), op.Drop), op.GlobalGet(runs), op.Const32(5), op.Equal, op.If(g.survive()))
			},
			sees: survived,
		},
		{
			name: "two callbacks at once of one instance's memory",
			guest: func(g *guest) {
				// Each event must find the lock open, or two ran at once.
				lock := g.Global(op.I32, op.Const32(0))
				g.event(op.GlobalGet(lock), op.If(op.Unreachable), op.Const32(1), op.GlobalSet(lock),
					op.Times(0, 100, g.ignore("now")), op.Const32(0), op.GlobalSet(lock))
			},
			viewers: 8,
			events:  500,
			route:   map[string]any{"scope": "viewer"},
			sees:    nameOf(499),
		},
		{
			name: "both callbacks in one module, each other's code",
			guest: func(g *guest) {
				both := g.Func(":i", "", g.survive(), op.Const32(0))
				g.Export(abi.OnStream, module.Func, both)
				g.Export(abi.OnEvent, module.Func, both)
			},
			viewers: 8,
			sees:    survived,
		},
		{
			name:    "fifty instances at once that wait until they are ended",
			guest:   func(g *guest) { g.stream(g.survive(), g.expect(abi.Closed, "sleep", 1<<40)) },
			viewers: 50,
			leave:   1,
			sees:    survived,
		},
		{
			name:   "exits with 0 at each event",
			guest:  func(g *guest) { g.event(g.use("proc_exit", 0)) },
			events: 1,
			soon:   true,
		},
	}
	for _, way := range []struct {
		name string
		code func(*guest) []byte
	}{
		{"sends", func(g *guest) []byte { return g.ignore("send", "late", "", "") }},
		{"sleeps", func(g *guest) []byte { return g.ignore("sleep", 1000) }},
		{"receives", func(g *guest) []byte { return g.ignore("receive", 0, span{0, 4096}, -1) }},
		{"asks whether it is closed", func(g *guest) []byte { return g.ignore("isClosed") }},
		{"stores values", func(g *guest) []byte { return g.ignore("kvPut", "key", "value", 0) }},
		{"does nothing", func(*guest) []byte { return nil }},
	} {
		attacks = append(attacks, attack{
			name: "ignores CLOSED and " + way.name,
			guest: func(g *guest) {
				g.stream(g.survive(), op.Loop(g.use("sleep", 100), op.Eqz, op.BranchIf(0)), op.Forever(way.code(g)))
			},
			leave: 1,
			sees:  survived,
			log:   pastGrace + `|` + pastSlice + `|` + pastShare,
			slow:  true,
		})
	}
	return attacks
}
