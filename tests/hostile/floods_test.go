//go:build linux

package hostile

import (
	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/op"
)

// until repeats code, which gives a status, until that is another than OK.
func until(code ...[]byte) []byte { return op.Loop(cat(code...), op.Eqz, op.BranchIf(0)) }

// floods send more than anybody wants.
func floods() []attack {
	mib := span{large, 1 << 20}
	spaces := cat(op.Const32(large), op.Const32(' '), op.Const32(1<<20), op.MemoryFill)
	return []attack{
		{
			name:  "events without end, to viewers that leave",
			guest: func(g *guest) { g.stream(until(g.use("send", "x", "", ""))) },
			leave: 2000,
		},
		{
			name:  "events of a megabyte without end, to viewers that leave",
			guest: func(g *guest) { g.pages = 20; g.stream(spaces, until(g.use("send", mib, "", ""))) },
			leave: 20,
		},
		{
			name:  "events without end, ahead of the viewer",
			guest: func(g *guest) { g.stream(until(g.use("send", "x", "", ""))) },
			route: map[string]any{"async": true},
			leave: 2000,
		},
		{
			name:  "events of a megabyte without end, ahead of the viewer",
			guest: func(g *guest) { g.pages = 20; g.stream(spaces, until(g.use("send", mib, "", ""))) },
			route: map[string]any{"async": true},
			leave: 20,
		},
		{
			name:    "events without end, from thirty instances until the route's time is up",
			guest:   func(g *guest) { g.stream(until(g.use("send", "x", "", ""))) },
			soon:    true,
			viewers: 30,
		},
		{
			name: "comments without end",
			guest: func(g *guest) {
				g.stream(until(g.use("comment", "x")))
			},
			soon: true,
		},
		{
			name:  "comments of a megabyte without end",
			guest: func(g *guest) { g.pages = 20; g.stream(spaces, until(g.use("comment", mib))) },
			soon:  true,
		},
		{
			name: "more events in place of one than may be",
			guest: func(g *guest) {
				g.event(op.Times(0, 1000, g.expect(abi.OK, "send", "x", "", "")),
					op.Times(0, 10_000, g.expect(abi.Limit, "send", "x", "", "")))
			},
			events: 3,
			sees:   nameOf(2),
		},
		{
			name: "more bytes in place of an event than may be",
			guest: func(g *guest) {
				g.pages = 20
				g.event(spaces, op.Times(0, 4, g.expect(abi.OK, "send", mib, "", "")),
					op.Times(0, 8, g.expect(abi.Limit, "send", mib, "", "")))
			},
			events: 3,
			sees:   nameOf(2),
			may:    pastEvent, // where the collector needs the guest's thread
		},
		{
			name: "a hundred thousand lines of log",
			guest: func(g *guest) {
				g.stream(op.Times(0, 100_000, g.ignore("log", 1, "flood")), g.expect(abi.Limit, "log", 1, "flood"), g.survive())
			},
			sees: survived,
			log:  `flood`,
		},
		{
			name: "log lines of a megabyte, and one call with a million lines",
			guest: func(g *guest) {
				g.pages = 20
				g.stream(spaces, op.Times(0, 100, g.ignore("log", 1, mib)),
					op.Const32(large), op.Const32('\n'), op.Const32(1<<20), op.MemoryFill, g.expect(abi.Limit, "log", 1, mib), g.survive())
			},
			sees: survived,
		},
		{
			name: "standard output without a line's end",
			guest: func(g *guest) {
				g.pages = 20
				g.stream(spaces, op.Const32(0), op.Const32(large), op.Store(), op.Const32(4), op.Const32(1<<20), op.Store(),
					op.Times(0, 100, g.use("fd_write", 1, 0, 1, 8), must(0)), g.survive())
			},
			sees: survived,
		},
		{
			name: "keys without end",
			guest: func(g *guest) {
				// The key is the counter's four bytes, each within seven bits.
				key := cat(op.Const32(0), op.Get(0), op.Const32(0x0f0f0f0f), op.And, op.Const32(0x40404040), op.Add, op.Store())
				g.stream(op.Times(0, 100_000, key, g.ignore("kvPut", span{0, 4}, "value", 0)),
					g.expect(abi.Limit, "kvPut", "key", "value", 0), g.survive())
			},
			sees: survived,
		},
		{
			name: "values of a megabyte without end",
			guest: func(g *guest) {
				g.pages = 20
				g.stream(spaces, op.Times(0, 1000, g.ignore("kvPut", "key", mib, 0)), g.survive())
			},
			route: map[string]any{"timeout": 3000},
		},
		{
			name: "ten thousand reads of a key that is not there",
			guest: func(g *guest) {
				g.stream(op.Times(0, 10_000, g.expect(abi.NotFound, "kvGet", "none", span{0, 64})), g.survive())
			},
			route: map[string]any{"timeout": 20_000},
		},
		{
			name:  "publishing without end",
			guest: func(g *guest) { g.stream(op.Forever(g.ignore("publish", "out", "x", "", ""))) },
			soon:  true,
			log:   pastShare + `|` + pastGrace,
		},
		{
			name: "publishing a megabyte without end",
			guest: func(g *guest) {
				g.pages = 20
				g.stream(spaces, op.Forever(g.ignore("publish", "out", mib, "", "")))
			},
			soon: true,
			log:  pastShare + `|` + pastGrace,
		},
		{
			name: "publishing two events for each that comes, on its own subject",
			guest: func(g *guest) {
				g.callback(abi.OnEvent, g.ignore("publish", "in", "more", "", ""), g.ignore("publish", "in", "more", "", ""),
					op.Const32(abi.EventDrop))
			},
			events: 1,
			route:  map[string]any{"timeout": 1000},
		},
		{
			name: "a hundred closes, and sends behind them",
			guest: func(g *guest) {
				g.stream(g.survive(), g.expect(abi.OK, "close"), op.Times(0, 100, g.expect(abi.Closed, "close")),
					op.Times(0, 1000, g.expect(abi.Closed, "send", "late", "", "")))
			},
			sees:  survived,
			never: "late",
		},
		{
			name: "sleeps of less than nothing, of nothing and for ever",
			guest: func(g *guest) {
				g.stream(g.expect(abi.OK, "sleep", -1<<63), op.Times(0, 10_000, g.expect(abi.OK, "sleep", 0)), g.survive(),
					g.expect(abi.Closed, "sleep", 1<<63-1))
			},
			soon: true,
			sees: survived,
		},
		{
			name: "a wait for ever by WASI",
			guest: func(g *guest) {
				// One subscription to the monotonic clock, due in 2^63-1 ns.
				clock := make([]byte, 48)
				clock[16] = 1
				copy(clock[24:], "\xff\xff\xff\xff\xff\xff\xff\x7f")
				g.Data(1024, clock)
				g.stream(g.survive(), g.ignore("poll_oneoff", 1024, 2048, 1, 3072))
			},
			soon: true,
			sees: survived,
		},
		{
			name: "receives that never wait, without end",
			guest: func(g *guest) {
				g.stream(op.Forever(g.ignore("receive", 0, span{0, 4096}, 0)))
			},
			soon:   true,
			events: 10,
			log:    pastShare + `|` + pastGrace,
		},
		{
			name: "receives into a buffer that is always too small",
			guest: func(g *guest) {
				g.stream(op.Times(0, 100_000, g.use("receive", 0, span{0, 8}, -1), op.Const32(9), op.LessSigned, op.If(op.Unreachable)), g.survive())
			},
			events: 10,
			route:  map[string]any{"timeout": 20_000},
			sees:   survived,
		},
	}
}
