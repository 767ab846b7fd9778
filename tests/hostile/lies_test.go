//go:build linux

package hostile

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/module"
	"github.com/millrace/millrace/tests/hostile/op"
	"github.com/millrace/millrace/tests/program"
)

// lies are modules that are not what they say, or ask for what no guest may have.
func lies() []attack {
	attacks := []attack{
		{
			name:    "a section of four billion types in six bytes",
			raw:     rawModule(module.Section(1, op.U32(1<<32-1))),
			refused: `.`,
		},
		{
			name:    "a section that says it is longer than the module",
			raw:     rawModule(cat([]byte{10}, op.U32(1<<32-1), []byte{1})),
			refused: `.`,
		},
		{
			name:    "a number in more bytes than it may have",
			raw:     rawModule(cat([]byte{1}, []byte("\x80\x80\x80\x80\x80\x80\x00"))),
			refused: `.`,
		},
		{
			name:    "sections in the wrong order",
			raw:     rawModule(cat(module.Section(3, op.U32(0)), module.Section(1, op.U32(0)))),
			refused: `.`,
		},
		{
			name:    "a section that is not known",
			raw:     rawModule(module.Section(99, []byte("what"))),
			refused: `.`,
		},
		{
			name:    "another version of the format",
			raw:     func(*testing.T) []byte { return []byte("\x00asm\x02\x00\x00\x00") },
			refused: `.`,
		},
		{
			name:    "an export that is there twice",
			guest:   func(g *guest) { g.stream(); g.Export(abi.OnStream, module.Func, 0) },
			refused: `onStream`,
		},
		{
			name:    "a callback that takes parameters",
			guest:   func(g *guest) { g.Export(abi.OnStream, module.Func, g.Func("i:i", "", op.Const32(0))) },
			refused: `onStream`,
		},
		{
			name:    "a callback that is a table",
			guest:   func(g *guest) { g.Export(abi.OnEvent, module.Table, g.Table(op.FuncRef, 1, 1)) },
			refused: `onEvent`,
		},
		{
			name:    "no callback at all",
			guest:   func(g *guest) { g.Export("_start", module.Func, g.Func(":", "")) },
			refused: `callback`,
		},
		{
			name:    "no memory",
			guest:   func(g *guest) { g.pages = -1; g.stream() },
			refused: `memory`,
		},
		{
			name:    "two memories",
			guest:   func(g *guest) { g.Memory(1, 1); g.stream() },
			refused: `memor`,
		},
		{
			name:    "a memory of another module",
			guest:   func(g *guest) { g.RawImport(abi.Module, "memory", module.Memory, []byte{0, 1}); g.stream() },
			refused: `memor`,
		},
		{
			name:    "a function that is not there",
			guest:   func(g *guest) { g.Import(abi.Module, "exec", "ii:i"); g.stream() },
			refused: `exec`,
		},
		{
			name:    "a function with another signature",
			guest:   func(g *guest) { g.Import(abi.Module, "send", "l:l"); g.stream() },
			refused: `send`,
		},
		{
			name:    "a function of another module",
			guest:   func(g *guest) { g.Import("env", "system", "i:i"); g.stream() },
			refused: `env`,
		},
		{
			name:    "the function that refills fuel",
			guest:   func(g *guest) { g.Import("millrace_meter", "refill", ":l"); g.stream() },
			refused: `millrace_meter`,
		},
		{
			name: "a global with the name of the one that holds fuel",
			guest: func(g *guest) {
				g.stream()
				g.Export("millrace_meter.fuel", module.Global, g.Global(op.I64, op.Const64(1<<62)))
			},
			refused: `millrace_meter`,
		},
		{
			name:    "a start function that is not there",
			guest:   func(g *guest) { g.stream(); g.Start(1000) },
			refused: `.`,
		},
		{
			name: "the small module that is cut off elsewhere, whole",
			raw:  func(*testing.T) []byte { return smallModule() },
			sees: survived,
		},
	}
	for name, code := range map[string][]byte{
		"a tail call":                                     {0x12, 0},
		"an atomic instruction":                           cat(op.Const32(0), []byte{0xfe, 0x10, 2, 0}, op.Drop),
		"an exception":                                    {0x08, 0},
		"an instruction that is not one":                  {0xff},
		"operands of the wrong type":                      cat(op.Const64(1), op.Const32(1), op.Add, op.Drop),
		"an operand that is not there":                    op.Drop,
		"a branch to nowhere":                             op.Branch(1000),
		"a local that is not there":                       cat(op.Get(1_000_000), op.Drop),
		"a call of what is not there":                     op.Call(1_000_000),
		"a block that does not end":                       {0x02, 0x40},
		"a reference to a function that was not declared": cat(op.RefFunc(0), op.Drop),
	} {
		attacks = append(attacks, attack{
			name:    name,
			guest:   func(g *guest) { g.stream(code) },
			refused: `.`,
		})
	}
	return attacks
}

func rawModule(sections []byte) func(*testing.T) []byte {
	return func(*testing.T) []byte { return cat([]byte(module.Header), sections) }
}

// smallModule is a module that ends with its code: no part of it is one as well.
func smallModule() []byte {
	m := &module.Module{}
	send := m.Import(abi.Module, "send", "iiiiii:i")
	m.Memory(1, -1)
	m.Export(abi.Memory, module.Memory, 0)
	text := []byte{}
	for i, c := range []byte(survived) {
		text = cat(text, op.Const32(int32(i)), op.Const32(int32(c)), op.Store())
	}
	none := op.Const32(0)
	m.Export(abi.OnStream, module.Func, m.Func(":i", "",
		text, none, op.Const32(int32(len(survived))), none, none, none, none, op.Call(send)))
	return m.Bytes()
}

// cuts are the beginnings of modules: the small one at every byte, and a program of Go's compiler at
// random ones.
func cuts(t *testing.T, samples int) (modules [][]byte) {
	small := smallModule()
	for n := range small {
		modules = append(modules, small[:n])
	}
	large := program.Plugin(t, "basic")
	seed := rand.Uint64()
	t.Logf("seed of the cuts: %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range samples {
		n := r.IntN(len(large))
		if !between(large, n) {
			modules = append(modules, large[:n])
		}
	}
	return modules
}

// between tells whether a module ends in good order at n: it may be a whole one there.
func between(wasm []byte, n int) bool {
	for at := len(module.Header); at < len(wasm); {
		size, read := uint64(0), 0
		for shift := 0; ; shift += 7 {
			read++
			b := wasm[at+read]
			size |= uint64(b&0x7f) << shift
			if b < 0x80 {
				break
			}
		}
		at += 1 + read + int(size)
		if at == n {
			return true
		}
	}
	return n == 0
}

// refuseCuts uploads what cuts makes, all of which has to be refused.
func refuseCuts(t *testing.T, c *client, tenant string, samples int) {
	check(t, c.must(t.Context(), "PUT", "/v1/tenants/"+tenant, nil))
	for _, wasm := range cuts(t, samples) {
		status, answer, err := c.call(t.Context(), "PUT", "/v1/tenants/"+tenant+"/plugins/"+plugin, wasm)
		if err == nil && status != 422 && len(wasm) > 0 {
			err = fmt.Errorf("%d: %s", status, answer)
		}
		if err != nil {
			t.Errorf("a module cut off at %d: %v", len(wasm), err)
		}
	}
	check(t, c.must(t.Context(), "DELETE", "/v1/tenants/"+tenant, nil))
}
