//go:build linux

package hostile

import (
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/op"
)

// loops use up the processor.
func loops() []attack {
	attacks := []attack{
		{
			name:    "an endless loop in the start function",
			guest:   func(g *guest) { g.Start(g.Func(":", "", op.Forever())); g.stream() },
			refused: pastStart,
			slow:    true,
		},
		{
			name:    "an endless loop in _initialize",
			guest:   func(g *guest) { g.initialize(op.Forever()) },
			refused: pastStart,
			slow:    true,
		},
		{
			name:    "an endless loop with host calls in _initialize",
			guest:   func(g *guest) { g.initialize(op.Forever(g.ignore("isClosed"))) },
			refused: pastStart,
			slow:    true,
		},
		{
			name: "a loop with a host call each time round, onStream",
			guest: func(g *guest) {
				g.stream(op.Forever(g.ignore("isClosed")))
			},
			soon: true,
			log:  pastShare + `|` + pastGrace,
			slow: true,
		},
		{
			name:   "a loop with a host call each time round, onEvent",
			guest:  func(g *guest) { g.event(op.Forever(g.ignore("now"))) },
			events: 1,
			fails:  pastEvent,
			log:    pastEvent,
		},
		{
			name:  "a loop that yields by WASI",
			guest: func(g *guest) { g.stream(op.Forever(g.ignore("sched_yield"))) },
			fails: pastSlice,
			log:   pastSlice,
		},
		{
			name:  "a loop that has the host make a megabyte of random bytes each time",
			guest: func(g *guest) { g.pages = 20; g.stream(op.Forever(g.ignore("random", span{0, 1 << 20}))) },
			soon:  true,
			log:   pastShare + `|` + pastGrace,
		},
		{
			name:  "a loop that has WASI make a megabyte of random bytes each time",
			guest: func(g *guest) { g.pages = 20; g.stream(op.Forever(g.ignore("random_get", span{0, 1 << 20}))) },
			fails: pastSlice + `|` + pastShare,
			log:   pastSlice + `|` + pastShare,
		},
		{
			name: "a loop that has the host look through a megabyte of text each time",
			guest: func(g *guest) {
				g.pages = 20
				g.stream(op.Const32(large), op.Const32('x'), op.Const32(1<<20-1), op.MemoryFill,
					op.Const32(large+1<<20-1), op.Const32(0xff), op.Const32(1), op.MemoryFill,
					op.Forever(g.ignore("comment", span{large, 1 << 20})))
			},
			soon: true,
			log:  pastShare + `|` + pastGrace,
		},
		{
			name:    "twenty endless loops at once",
			guest:   func(g *guest) { g.stream(op.Forever()) },
			viewers: 20,
			fails:   pastSlice + `|` + pastShare,
			log:     pastSlice + `|` + pastShare,
		},
	}
	for _, body := range spins() {
		attacks = append(attacks, attack{
			name:  body.name + ", onStream",
			guest: func(g *guest) { g.stream(body.code(g)) },
			fails: pastSlice,
			log:   pastSlice,
		}, attack{
			name:   body.name + ", onEvent",
			guest:  func(g *guest) { g.event(body.code(g)) },
			events: 1,
			fails:  pastEvent,
			log:    pastEvent,
		})
	}
	return attacks
}

// spin is a way never to return and never to call the host.
type spin struct {
	name string
	code func(*guest) []byte
}

func spins() []spin {
	return []spin{
		{"an endless loop", func(*guest) []byte { return op.Forever() }},
		{"an endless loop of calls", func(g *guest) []byte {
			empty := g.Func(":", "")
			return op.Forever(op.Call(empty))
		}},
		{"an endless loop of memory fills", func(g *guest) []byte {
			g.pages = 1024
			return op.Forever(op.Const32(0), op.Const32(1), op.Const32(1024<<16-1), op.MemoryFill)
		}},
		{"an endless loop of memory copies", func(g *guest) []byte {
			g.pages = 1024
			return op.Forever(op.Const32(0), op.Const32(1<<16), op.Const32(1000<<16), op.MemoryCopy)
		}},
		{"an endless loop of table fills", func(g *guest) []byte {
			table := g.Table(op.FuncRef, 200_000, -1)
			return op.Forever(op.Const32(0), op.RefNullFunc, op.Const32(200_000), op.TableFill(table))
		}},
		{"an endless loop of growing memory by nothing", func(*guest) []byte {
			return op.Forever(op.Const32(0), op.MemoryGrow, op.Drop)
		}},
		{"an endless loop of growing memory in vain", func(*guest) []byte {
			return op.Forever(op.Const32(1<<15), op.MemoryGrow, op.Drop)
		}},
		{"an endless loop of divisions", func(*guest) []byte {
			return cat(op.Const32(1<<30), op.Set(0),
				op.Forever(op.Get(0), op.Get(0), op.Const32(7), op.Divide, op.Add, op.Set(0)))
		}},
		{"an endless loop of a hundred loops in each other", func(*guest) []byte {
			code := op.Branch(99)
			for range 100 {
				code = op.Loop(code)
			}
			return append(code, op.Unreachable...)
		}},
		{"an endless loop through br_table", func(*guest) []byte {
			return cat(op.Loop(op.Loop(op.Get(0), op.Const32(1), op.Add, op.Tee(0), op.BranchTable(1, 0, 1, 0))), op.Unreachable)
		}},
		{"an endless loop in a function that is called by a table", func(g *guest) []byte {
			g.Table(op.FuncRef, 1, 1)
			g.Elements(0, g.Func(":", "", op.Forever()))
			return cat(op.Const32(0), op.CallIndirect(g.Type(":")))
		}},
		{"calls that double at each of sixty levels", func(g *guest) []byte {
			next := g.Func(":", "")
			for range 60 {
				next = g.Func(":", "", op.Call(next), op.Call(next))
			}
			return op.Call(next)
		}},
		{"a loop of 2^63 steps", func(*guest) []byte {
			decrement := []byte{0x7d, 0x22, 4, 0x50, 0x45, 0x0d, 0} // i64.sub, local.tee 4, i64.eqz, i32.eqz, br_if 0
			return cat(op.Const64(-1<<63), []byte{0x21, 4}, op.Loop([]byte{0x20, 4}, op.Const64(1), decrement))
		}},
	}
}

// recursions use up the stack.
func recursions() []attack {
	attacks := []attack{
		{
			name: "recursion in _initialize",
			guest: func(g *guest) {
				g.initialize(op.Call(endless(g)))
			},
			refused: pastDepth,
		},
		{
			name:    "recursion in the start function",
			guest:   func(g *guest) { g.Start(endless(g)); g.stream() },
			refused: pastDepth,
		},
		{
			name: "recursion that stays within the limit",
			guest: func(g *guest) {
				self := g.Func("i:", "", op.Get(0), op.If(op.Get(0), op.Const32(1), op.Sub, op.Call(g.Next())))
				g.stream(op.Const32(5_000), op.Call(self), g.survive())
			},
			sees: survived,
		},
	}
	for _, way := range []spin{
		{"recursion", func(g *guest) []byte { return op.Call(endless(g)) }},
		{"mutual recursion", func(g *guest) []byte {
			one := g.Func(":", "", op.Call(g.Next()+1))
			g.Func(":", "", op.Call(one))
			return op.Call(one)
		}},
		{"indirect recursion", func(g *guest) []byte {
			g.Table(op.FuncRef, 1, 1)
			self := g.Func(":", "", op.Const32(0), op.CallIndirect(g.Type(":")))
			g.Elements(0, self)
			return op.Call(self)
		}},
		{largeFrames, func(g *guest) []byte {
			const locals = 1000
			var keep, use []byte
			for i := range locals {
				keep = cat(keep, op.Get(0), op.Const32(int32(i)), op.Add, op.Set(i+1))
				use = cat(use, op.Get(i+1), op.Add)
			}
			self := g.Func("i:i", strings.Repeat("i", locals), keep, op.Get(0), op.Call(g.Next()), use)
			return cat(op.Const32(1), op.Call(self), op.Drop)
		}},
		{"recursion with host calls in between", func(g *guest) []byte {
			return op.Call(g.Func(":", "", g.ignore("now"), op.Call(g.Next())))
		}},
		{"recursion through the callback itself", func(g *guest) []byte {
			return cat(op.Call(g.Next()), op.Drop)
		}},
	} {
		for _, callback := range []string{abi.OnStream, abi.OnEvent} {
			attacks = append(attacks, attack{
				name: way.name + ", " + callback,
				guest: func(g *guest) {
					g.callback(callback, way.code(g), op.Const32(0))
				},
				events: 1,
				fails:  way.limit(callback),
				log:    way.limit(callback),
			})
		}
	}
	return attacks
}

// limit is what stops a recursion. One whose frames are large may take its time for them before it has
// as many as may be.
func (s spin) limit(callback string) string {
	switch {
	case s.name != largeFrames:
		return pastDepth
	case callback == abi.OnStream:
		return pastDepth + `|` + pastSlice
	}
	return pastDepth + `|` + pastEvent
}

const largeFrames = "recursion with a thousand locals each"

// endless is a function that calls itself.
func endless(g *guest) int {
	return g.Func(":", "", op.Call(g.Next()))
}
