//go:build linux

package hostile

import (
	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/op"
)

// mostPages is the memory of an instance in pages of 64 KiB.
const mostPages = abi.MaxMemoryBytes >> 16

// touch writes to each page of 4 KiB of the memory as it is now. It counts in local 1.
func touch() []byte {
	return cat(op.Const32(0), op.Set(1),
		op.Loop(op.Get(1), op.Const32(1), op.Store(), op.Get(1), op.Const32(4096), op.Add, op.Tee(1),
			op.MemorySize, op.Const32(16), []byte{0x74}, op.LessSigned, op.BranchIf(0))) // i32.shl
}

// growMemory grows memory by a number of pages until that is refused.
func growMemory(by int32) []byte {
	return op.Loop(op.Const32(by), op.MemoryGrow, op.Const32(-1), op.NotEqual, op.BranchIf(0))
}

// bounded traps if the memory is larger than it may be.
func bounded() []byte {
	return cat(op.MemorySize, op.Const32(mostPages), op.Above, op.If(op.Unreachable))
}

// growth asks for memory.
func growth() []attack {
	attacks := []attack{
		{
			name:  "memory grown by one page until it is refused",
			guest: func(g *guest) { g.stream(growMemory(1), bounded(), g.survive()) },
			sees:  survived,
		},
		{
			name: "memory grown by more than can be",
			guest: func(g *guest) {
				var code []byte
				for _, by := range []int32{mostPages, 65_535, 65_536, -1, -1 << 31} {
					code = cat(code, op.Const32(by), op.MemoryGrow, must(-1))
				}
				g.stream(code, g.survive())
			},
			sees: survived,
		},
		{
			name:    "all of the memory touched by eight instances at once",
			guest:   func(g *guest) { g.stream(growMemory(1), touch(), bounded(), g.survive()) },
			viewers: 8,
			sees:    survived,
		},
		{
			name: "all of the memory touched before the snapshot",
			guest: func(g *guest) {
				g.Export(abi.Initialize, 0, g.Func(":", callbackLocals, growMemory(1), touch()))
				g.stream(touch(), g.survive())
			},
			sees: survived,
		},
		{
			name:   "memory grown by one page with each of a thousand events",
			guest:  func(g *guest) { g.event(op.Const32(1), op.MemoryGrow, op.Drop, bounded()) },
			events: 1100,
			sees:   nameOf(1099),
		},
		{
			name:  "a memory that says it grows to 4 GiB",
			guest: func(g *guest) { g.most = 65_536; g.stream(growMemory(16), bounded(), g.survive()) },
			sees:  survived,
		},
		{
			name:    "a memory that begins with 4 GiB",
			guest:   func(g *guest) { g.pages = 65_536; g.stream() },
			refused: `memory`,
		},
		{
			name:    "a memory that begins with one page too many",
			guest:   func(g *guest) { g.pages = mostPages + 1; g.stream() },
			refused: `memory`,
		},
		{
			name:    "a table that begins with four billion entries",
			guest:   func(g *guest) { g.Table(op.FuncRef, 1<<32-1, -1); g.stream() },
			refused: `table`,
		},
		{
			name: "many tables that are large together",
			guest: func(g *guest) {
				for range 16 {
					g.Table(op.FuncRef, 100_000, -1)
				}
				g.stream()
			},
			refused: `table`,
		},
		{
			name: "a hundred thousand tables",
			guest: func(g *guest) {
				for range 100_000 {
					g.Table(op.FuncRef, 0, -1)
				}
				g.stream()
			},
			refused: `tables`,
		},
	}
	for _, of := range []struct {
		name string
		typ  byte
		null []byte
	}{{"functions", op.FuncRef, op.RefNullFunc}, {"references to the outside", op.ExternRef, op.RefNullOut}} {
		attacks = append(attacks, attack{
			name: "a table of " + of.name + " grown by billions",
			guest: func(g *guest) {
				table := g.Table(of.typ, 1, -1)
				var code []byte
				for _, by := range []int32{1<<31 - 1, -1, -1 << 31, 1 << 28} {
					code = cat(code, of.null, op.Const32(by), op.TableGrow(table), must(-1))
				}
				g.stream(code, g.survive())
			},
			sees: survived,
		}, attack{
			name: "a table of " + of.name + " grown by a thousand until it is refused",
			guest: func(g *guest) {
				table := g.Table(of.typ, 1, -1)
				g.stream(op.Loop(of.null, op.Const32(1000), op.TableGrow(table), op.Const32(-1), op.NotEqual, op.BranchIf(0)),
					op.TableSize(table), op.Const32(1<<18), op.Above, op.If(op.Unreachable), g.survive())
			},
			sees: survived,
		})
	}
	return attacks
}
