//go:build linux

package hostile

import (
	"fmt"
	"math"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/op"
)

// traps fail in every way that there is.
func traps() []attack {
	var attacks []attack
	for _, trap := range []struct {
		name, reason string
		code         func(*guest) []byte
	}{
		{"unreachable", `unreachable`, func(*guest) []byte { return op.Unreachable }},
		{"a division by zero", `divide by zero`, func(*guest) []byte { return cat(op.Const32(1), op.Const32(0), op.Divide, op.Drop) }},
		{"a remainder by zero", `divide by zero`, func(*guest) []byte { return cat(op.Const32(1), op.Const32(0), op.Remainder, op.Drop) }},
		{"the one division that overflows", `overflow`, func(*guest) []byte { return cat(op.Const32(-1<<31), op.Const32(-1), op.Divide, op.Drop) }},
		{"a conversion of what is no number", `invalid conversion`, func(*guest) []byte { return cat(op.ConstF32(float32(math.NaN())), op.Truncate, op.Drop) }},
		{"a conversion of what is too large", `overflow`, func(*guest) []byte { return cat(op.ConstF32(1e30), op.Truncate, op.Drop) }},
		{"a load behind memory", `out of bounds memory`, func(*guest) []byte { return cat(op.Const32(-1), op.Load(), op.Drop) }},
		{"a load whose offset overflows", `out of bounds memory`, func(*guest) []byte {
			return cat(op.Const32(-1), []byte{0x28, 2}, op.U32(1<<32-1), op.Drop)
		}},
		{"a store behind memory", `out of bounds memory`, func(*guest) []byte { return cat(op.Const32(2<<16-3), op.Const32(1), op.Store()) }},
		{"a fill behind memory", `out of bounds memory`, func(*guest) []byte {
			return cat(op.Const32(1<<16), op.Const32(1), op.Const32(1<<16+1), op.MemoryFill)
		}},
		{"a fill whose end overflows", `out of bounds memory`, func(*guest) []byte {
			return cat(op.Const32(1), op.Const32(1), op.Const32(-1), op.MemoryFill)
		}},
		{"a copy from behind memory", `out of bounds memory`, func(*guest) []byte {
			return cat(op.Const32(0), op.Const32(-1), op.Const32(2), op.MemoryCopy)
		}},
		{"the use of a segment that was dropped", `out of bounds memory`, func(g *guest) []byte {
			s := g.PassiveData([]byte("abc"))
			return cat(op.DataDrop(s), op.Const32(0), op.Const32(0), op.Const32(3), op.MemoryInit(s))
		}},
		{"a table's entry that is not there", `invalid table access|out of bounds table`, func(g *guest) []byte {
			return cat(op.Const32(5), op.TableGet(g.Table(op.FuncRef, 5, 5)), op.Drop)
		}},
		{"a call of a table's entry that is not there", `invalid table access|out of bounds table`, func(g *guest) []byte {
			g.Table(op.FuncRef, 5, 5)
			return cat(op.Const32(-1), op.CallIndirect(g.Type(":")))
		}},
		{"a call of an empty entry", `invalid table access|uninitialized`, func(g *guest) []byte {
			g.Table(op.FuncRef, 5, 5)
			return cat(op.Const32(1), op.CallIndirect(g.Type(":")))
		}},
		{"a call by another type", `indirect call type mismatch`, func(g *guest) []byte {
			g.Table(op.FuncRef, 1, 1)
			g.Elements(0, g.Func(":l", "", op.Const64(1)))
			return cat(op.Const32(0), op.CallIndirect(g.Type(":")))
		}},
		{"a table filled with more than the segment has", `invalid table access|out of bounds table`, func(g *guest) []byte {
			table := g.Table(op.FuncRef, 5, 5)
			s := g.PassiveElements(0)
			return cat(op.Const32(0), op.Const32(0), op.Const32(2), op.TableInit(s, table))
		}},
		{"a table filled from a segment that was dropped", `invalid table access|out of bounds table`, func(g *guest) []byte {
			table := g.Table(op.FuncRef, 5, 5)
			s := g.PassiveElements(0)
			return cat([]byte{0xfc, 13}, op.U32(uint64(s)), op.Const32(0), op.Const32(0), op.Const32(1), op.TableInit(s, table)) // elem.drop
		}},
		{"a copy from behind a table", `invalid table access|out of bounds table`, func(g *guest) []byte {
			g.Table(op.FuncRef, 5, 5)
			return cat(op.Const32(0), op.Const32(4), op.Const32(2), []byte{0xfc, 14, 0, 0}) // table.copy
		}},
		{"a fill behind a table", `invalid table access|out of bounds table`, func(g *guest) []byte {
			return cat(op.Const32(4), op.RefNullFunc, op.Const32(2), op.TableFill(g.Table(op.FuncRef, 5, 5)))
		}},
		{"a division of 64 bits by zero", `divide by zero`, func(*guest) []byte {
			return cat(op.Const64(1), op.Const64(0), []byte{0x80}, op.Drop) // i64.div_u
		}},
		{"a conversion to 64 bits of what is too large", `overflow`, func(*guest) []byte {
			return cat(op.ConstF64(1e300), []byte{0xb0}, op.Drop) // i64.trunc_f64_s
		}},
		{"a vector loaded from behind memory", `out of bounds memory`, func(*guest) []byte {
			return cat(op.Const32(2<<16-15), []byte{0xfd, 0, 0, 0}, op.Drop) // v128.load
		}},
		{"an exit with 1", `exit code 1`, func(g *guest) []byte { return g.use("proc_exit", 1) }},
		{"an exit with the code that wazero keeps for time that is up", `exit code`, func(g *guest) []byte { return g.use("proc_exit", -4) }},
		{"an exit with the code that wazero keeps for calls that were cancelled", `exit code`, func(g *guest) []byte { return g.use("proc_exit", -5) }},
	} {
		for _, callback := range []string{abi.OnStream, abi.OnEvent} {
			attacks = append(attacks, attack{
				name:   trap.name + ", " + callback,
				guest:  func(g *guest) { g.callback(callback, trap.code(g), op.Const32(0)) },
				events: 1,
				fails:  trap.reason,
				log:    callback + " failed.*(" + trap.reason + ")",
			})
		}
		attacks = append(attacks, attack{
			name:    trap.name + ", _initialize",
			guest:   func(g *guest) { g.initialize(trap.code(g)) },
			refused: trap.reason,
		})
	}
	return append(attacks, garbage()...)
}

// garbage is what callbacks answer that means nothing, and what becomes of the others' events.
func garbage() []attack {
	var attacks []attack
	for _, code := range []int32{-1, -9, math.MinInt32} {
		attacks = append(attacks, attack{
			name:  fmt.Sprintf("onStream answers %d", code),
			guest: func(g *guest) { g.callback(abi.OnStream, op.Const32(code)) },
			fails: fmt.Sprintf(`onStream returned %d`, code),
			log:   fmt.Sprintf(`onStream returned %d`, code),
		})
	}
	for _, code := range []int32{-1, 2, math.MaxInt32, math.MinInt32} {
		attacks = append(attacks, attack{
			name:   fmt.Sprintf("onEvent answers %d", code),
			guest:  func(g *guest) { g.callback(abi.OnEvent, op.Const32(code)) },
			events: 1,
			fails:  fmt.Sprintf(`onEvent returned %d`, code),
			log:    fmt.Sprintf(`onEvent returned %d`, code),
		})
	}
	return append(attacks,
		attack{
			name:  "onStream answers with the largest number",
			guest: func(g *guest) { g.callback(abi.OnStream, op.Const32(math.MaxInt32)) },
		},
		attack{
			name:   "onEvent traps on each of a hundred events, which pass nevertheless",
			guest:  func(g *guest) { g.event(op.Unreachable) },
			events: 100,
			route:  map[string]any{"onError": "pass"},
			sees:   nameOf(99),
			log:    `unreachable`,
		},
		attack{
			name: "onEvent traps on every second event, and those are dropped",
			guest: func(g *guest) {
				g.event(g.readsEvenEvent(), op.If(op.Unreachable))
			},
			events: 100,
			route:  map[string]any{"onError": "drop"},
			sees:   nameOf(99),
			log:    `unreachable`,
		},
		attack{
			name: "an active segment of data behind memory",
			guest: func(g *guest) {
				g.Data(2<<16, []byte("x"))
				g.stream()
			},
			refused: `out of bounds|segment`,
		},
		attack{
			name: "an active segment of data at an offset below zero",
			guest: func(g *guest) {
				g.Data(-1, []byte("x"))
				g.stream()
			},
			refused: `out of bounds|segment`,
		},
		attack{
			name: "an active segment of functions behind its table",
			guest: func(g *guest) {
				g.Table(op.FuncRef, 1, 1)
				g.Elements(1, g.Func(":", "", op.Unreachable))
				g.stream(op.Const32(0), op.TableGet(0), []byte{0xd1}, op.Eqz, op.If(op.Unreachable), g.survive()) // ref.is_null
			},
			sees: survived, // the runtime leaves such a segment out
		},
	)
}

// readsEvenEvent pushes 1 if the event at hand has an even number, else 0. It takes the last digit.
func (g *guest) readsEvenEvent() []byte {
	const record = 40                                                                           // bytes before the data
	lastByte := cat(op.Const32(0), op.Load(), op.Const32(record-1), op.Add, []byte{0x2d, 0, 0}) // i32.load8_u
	return cat(g.ignore("receive", 0, span{0, 4096}, 0), lastByte, op.Const32(1), op.And, op.Eqz)
}
