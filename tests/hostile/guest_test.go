//go:build linux

package hostile

import (
	"fmt"
	"math"
	"slices"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/module"
	"github.com/millrace/millrace/tests/hostile/op"
)

// guest is a plugin in the making: a module that imports all that the host gives.
type guest struct {
	module.Module
	functions map[string]hostFunction
	texts     int32 // where the next text goes
	pages     int64 // that memory starts with; below 0 the module has none
	most      int64 // pages that memory grows to; below 0 it does not say
}

type hostFunction struct {
	index  int
	params string
	result byte
}

// Where things lie in a guest's memory: its texts, with room for buffers below, and from large on, in
// guests that have so many pages, what is large.
const (
	textsAt = 8<<10 + 64 // what touch writes lies before it
	large   = 128 << 10
)

// fromWASI are the functions of WASI that guests are driven with.
var fromWASI = []abi.Function{
	{Name: "clock_time_get", Params: "ili", Result: 'i'},
	{Name: "fd_write", Params: "iiii", Result: 'i'},
	{Name: "poll_oneoff", Params: "iiii", Result: 'i'},
	{Name: "random_get", Params: "ii", Result: 'i'},
	{Name: "sched_yield", Params: "", Result: 'i'},
	{Name: "proc_exit", Params: "i"},
}

func newGuest() *guest {
	g := &guest{functions: map[string]hostFunction{}, texts: textsAt, pages: 2, most: -1}
	for _, from := range []struct {
		module    string
		functions []abi.Function
	}{{abi.Module, abi.Functions}, {abi.WASI, fromWASI}} {
		for _, f := range from.functions {
			signature := f.Params + ":"
			if f.Result != 0 {
				signature += string(f.Result)
			}
			g.functions[f.Name] = hostFunction{g.Import(from.module, f.Name, signature), f.Params, f.Result}
		}
	}
	return g
}

// build encodes the module.
func (g *guest) build() []byte {
	if g.pages >= 0 {
		g.Memory(g.pages, g.most)
		g.Export(abi.Memory, module.Memory, 0)
	}
	return g.Bytes()
}

// Locals of a callback: counters and scratch.
const callbackLocals = "iiiil"

// stream makes code the guest's onStream, which answers 0 at its end.
func (g *guest) stream(code ...[]byte) { g.callback(abi.OnStream, append(code, op.Const32(0))...) }

// event makes code the guest's onEvent, which passes each event on.
func (g *guest) event(code ...[]byte) {
	g.callback(abi.OnEvent, append(code, op.Const32(abi.EventPass))...)
}

func (g *guest) callback(name string, code ...[]byte) {
	g.Export(name, module.Func, g.Func(":i", callbackLocals, code...))
}

// initialize makes code the guest's _initialize, besides a callback that does nothing.
func (g *guest) initialize(code ...[]byte) {
	g.Export(abi.Initialize, module.Func, g.Func(":", callbackLocals, code...))
	g.stream()
}

// span is a range of memory, there or not.
type span struct{ at, length uint32 }

// use calls a function of the host. Arguments are numbers, texts, spans, or code that pushes what is
// left of them. A result of 64 bits is cut to 32.
func (g *guest) use(name string, args ...any) (code []byte) {
	f, ok := g.functions[name]
	if !ok {
		panic("no host function " + name)
	}
	at := 0
	for _, arg := range args {
		switch v := arg.(type) {
		case string:
			code = append(code, g.text(v)...)
			at += 2
		case span:
			code = slices.Concat(code, op.Const32(int32(v.at)), op.Const32(int32(v.length)))
			at += 2
		case []byte:
			code = append(code, v...)
			at = len(f.params)
		case int:
			if f.params[at] == 'l' {
				code = append(code, op.Const64(int64(v))...)
			} else {
				code = append(code, op.Const32(int32(v))...)
			}
			at++
		}
	}
	if at != len(f.params) {
		panic(fmt.Sprintf("%s takes %d arguments, not %d", name, len(f.params), at))
	}
	code = append(code, op.Call(f.index)...)
	if f.result == 'l' {
		code = append(code, op.Wrap...)
	}
	return code
}

// ignore is use without a result.
func (g *guest) ignore(name string, args ...any) []byte {
	return append(g.use(name, args...), op.Drop...)
}

// expect is use with a result, which has to be the status. The guest traps if it is another.
func (g *guest) expect(want abi.Status, name string, args ...any) []byte {
	return slices.Concat(g.use(name, args...), must(int32(want)))
}

// must traps if the number on the stack is another.
func must(want int32) []byte {
	return slices.Concat(op.Const32(want), op.NotEqual, op.If(op.Unreachable))
}

// text puts s into the guest's memory and pushes its address and length.
func (g *guest) text(s string) []byte {
	at := g.texts
	if int64(at)+int64(len(s)) > math.MaxInt32 || g.pages >= 0 && int64(at)+int64(len(s)) > g.pages<<16 {
		panic("the text does not fit the guest's memory")
	}
	if s != "" {
		g.Data(at, []byte(s))
	}
	g.texts += int32(len(s))
	return slices.Concat(op.Const32(at), op.Const32(int32(len(s))))
}

// survived is what a guest sends that came to its end.
const survived = "survived"

// survive sends that the guest came to here.
func (g *guest) survive() []byte { return g.expect(abi.OK, "send", survived, "", "") }

// cat is code one behind the other.
func cat(code ...[]byte) []byte { return slices.Concat(code...) }
