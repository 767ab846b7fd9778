//go:build linux

package hostile

import (
	"bytes"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/module"
	"github.com/millrace/millrace/tests/hostile/op"
)

// repeat is code n times.
func repeat(n int, code ...[]byte) []byte { return bytes.Repeat(cat(code...), n) }

// locals is the declaration of runs of locals, each of so many i64.
func locals(runs int, each uint64) []byte {
	return cat(op.U32(uint64(runs)), repeat(runs, op.U32(each), []byte{op.I64}))
}

// bombs are small to upload and large to compile or to hold.
func bombs() []attack {
	attacks := []attack{
		{
			name: "fifty million locals in 33 bytes",
			raw: func(*testing.T) []byte {
				m := &module.Module{}
				m.Memory(0, -1)
				m.Export(abi.Memory, module.Memory, 0)
				m.Export(abi.OnStream, module.Func, m.RawFunc(":i", cat(locals(1, 50_000_000), op.Const32(0), op.End)))
				return m.Bytes()
			},
			refused: `locals`,
		},
		body("more locals than can be numbered", `locals`, func() []byte {
			return cat(locals(3, 1<<32-1), op.End)
		}),
		body("nearly as many locals as may be, alive across thousands of blocks", `locals|values`, func() []byte {
			const n = 15_000
			var use []byte
			for i := range n {
				use = cat(use, op.Get(i), op.Const64(1), []byte{0x7c}, op.Set(i)) // i64.add
			}
			return cat(locals(1, n), use, repeat(3_000, op.MemorySize, op.If(op.Const64(1), op.Set(0))), use, op.End)
		}),
		body("fifty kilobytes of blocks that carry values", `values|operands`, func() []byte {
			take := op.U32(0) // the first type
			return cat([]byte{0}, repeat(200, op.Const64(1)),
				repeat(2_000, []byte{0x02}, take, op.End), repeat(200, op.Drop), op.End)
		}, strings.Repeat("l", 200)+":"+strings.Repeat("l", 200)),
		body("a hundred thousand blocks in each other", `blocks|branches`, func() []byte {
			return cat([]byte{0}, repeat(100_000, []byte{0x02, 0x40}), repeat(100_000, op.End), op.End)
		}),
		body("a hundred thousand loops in each other", `blocks|branches|loops`, func() []byte {
			return cat([]byte{0}, repeat(100_000, []byte{0x03, 0x40}), repeat(100_000, op.End), op.End)
		}),
		body("ten thousand conditions in each other with an else each", `blocks|branches`, func() []byte {
			return cat([]byte{0}, repeat(10_000, op.MemorySize, []byte{0x04, 0x40}), repeat(10_000, op.Else, op.End), op.End)
		}),
		body("a br_table with a hundred thousand targets", `br_table|targets`, func() []byte {
			return cat([]byte{0}, op.Const32(0), []byte{0x0e}, op.U32(100_000), repeat(100_001, []byte{0}), op.End)
		}),
		body("five hundred br_table with five hundred targets each", `br_table|targets|branches`, func() []byte {
			return cat([]byte{0}, repeat(500, op.Block(op.MemorySize, []byte{0x0e}, op.U32(500), repeat(501, []byte{0}))), op.End)
		}),
		body("twenty thousand branches in a row", `branches`, func() []byte {
			return cat([]byte{0}, repeat(20_000, op.Block(op.MemorySize, op.BranchIf(0))), op.End)
		}),
		body("ten thousand loops in a row", `loops|branches`, func() []byte {
			return cat([]byte{0}, repeat(10_000, op.Loop(op.MemorySize, op.BranchIf(0))), op.End)
		}),
		body("a hundred thousand operands on the stack", `operands`, func() []byte {
			return cat([]byte{0}, repeat(100_000, op.Const32(1)), repeat(100_000, op.Drop), op.End)
		}),
		body("five megabytes of code in one function", `bytes of code`, func() []byte {
			return cat([]byte{0}, repeat(1_000_000, op.MemorySize, op.Drop), repeat(1_000_000, []byte{0x01, 0x01}), op.End)
		}),
		{
			name: "a million functions",
			guest: func(g *guest) {
				for range 1_000_000 {
					g.Func(":", "")
				}
				g.stream()
			},
			refused: `functions|items`,
		},
		{
			name: "thousands of functions, each as costly as it may be",
			guest: func(g *guest) {
				costly := cat([]byte{0}, repeat(7_900, op.Block(op.MemorySize, op.BranchIf(0))), op.End)
				for range 400 {
					g.RawFunc(":", costly)
				}
				g.stream()
			},
			refused: `work|longer than|branches|memory`,
		},
		{
			name: "calls between thousands of globals",
			guest: func(g *guest) {
				for range 15_000 {
					g.Global(op.I64, op.Const64(0))
				}
				empty := g.Func(":", "")
				g.Func(":", "", repeat(50_000, op.Call(empty)))
				g.stream()
			},
			refused: `globals`,
		},
		{
			name: "a million types",
			guest: func(g *guest) {
				for range 1_000_000 {
					g.RawType(module.Signature(":"))
				}
				g.stream()
			},
			refused: `types|items`,
		},
		{
			name: "a type with a hundred thousand parameters",
			guest: func(g *guest) {
				g.RawType(module.Signature(strings.Repeat("l", 100_000) + ":"))
				g.stream()
			},
			refused: `parameters`,
		},
		{
			name: "a type with a hundred thousand results",
			guest: func(g *guest) {
				g.RawType(module.Signature(":" + strings.Repeat("l", 100_000)))
				g.stream()
			},
			refused: `results`,
		},
		{
			name: "a million segments of data",
			guest: func(g *guest) {
				for range 1_000_000 {
					g.PassiveData(nil)
				}
				g.stream()
			},
			refused: `data`,
		},
		{
			name: "a hundred thousand segments of functions",
			guest: func(g *guest) {
				g.Table(op.FuncRef, 1, 1)
				for range 100_000 {
					g.PassiveElements()
				}
				g.stream()
			},
			refused: `element`,
		},
		{
			name: "two million functions in one segment",
			guest: func(g *guest) {
				g.PassiveElements(make([]int, 2_000_000)...)
				g.stream()
			},
			refused: `elements`,
		},
		{
			name: "a hundred thousand globals",
			guest: func(g *guest) {
				for range 100_000 {
					g.Global(op.I32, op.Const32(0))
				}
				g.stream()
			},
			refused: `globals`,
		},
		{
			name: "a hundred thousand exports",
			guest: func(g *guest) {
				for i := range 100_000 {
					g.Export("e"+strings.Repeat("x", i%50)+nameOf(i), module.Func, 0)
				}
				g.stream()
			},
			refused: `exports`,
		},
		{
			name: "a hundred thousand imports",
			guest: func(g *guest) {
				for range 100_000 {
					g.Import(abi.Module, "now", ":l")
				}
				g.stream()
			},
			refused: `imports`,
		},
		{
			name:    "an export whose name has a megabyte",
			guest:   func(g *guest) { g.stream(); g.Export(strings.Repeat("n", 1<<20), module.Func, 0) },
			refused: `name`,
		},
		{
			name:    "an import whose name has a megabyte",
			guest:   func(g *guest) { g.Import(abi.Module, strings.Repeat("n", 1<<20), ":"); g.stream() },
			refused: `import`,
		},
		{
			name: "a million custom sections",
			guest: func(g *guest) {
				g.Trailing(repeat(1_000_000, module.Custom("")))
				g.stream()
			},
			refused: `custom sections`,
		},
		{
			name: "a million names of one function",
			guest: func(g *guest) {
				g.stream(g.survive())
				functions := cat(op.U32(1_000_000), repeat(1_000_000, []byte{0}, module.Name("x")))
				g.Trailing(module.Custom("name", []byte{1}, op.U32(uint64(len(functions))), functions))
			},
			sees: survived,
		},
		{
			name: "thirty megabytes of a custom section",
			guest: func(g *guest) {
				g.Trailing(module.Custom("note", make([]byte, 30<<20)))
				g.stream(g.survive())
			},
			sees: survived,
		},
		{
			name: "a module of one byte too many",
			guest: func(g *guest) {
				g.stream()
				header := len(module.Custom("note", make([]byte, abi.MaxModuleBytes))) - abi.MaxModuleBytes
				g.Trailing(module.Custom("note", make([]byte, abi.MaxModuleBytes-header-len(g.build())+1)))
			},
			refused: `bytes`,
			tooBig:  true,
		},
	}
	return append(attacks, lies()...)
}

// body is an attack by one function with its body as it is, which is made when it is asked for. Types, if any, become the module's first.
func body(name, refused string, code func() []byte, types ...string) attack {
	return attack{
		name: name,
		raw: func(*testing.T) []byte {
			m := &module.Module{}
			for _, t := range types {
				m.Type(t)
			}
			m.Memory(0, -1)
			m.Export(abi.Memory, module.Memory, 0)
			m.Export(abi.OnStream, module.Func, m.Func(":i", "", op.Const32(0)))
			m.RawFunc(":", code())
			return m.Bytes()
		},
		refused: refused,
	}
}
