package wasm_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
)

func u(v int) []byte {
	var b []byte
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}
func cat(bs ...[]byte) (o []byte) {
	for _, b := range bs {
		o = append(o, b...)
	}
	return
}
func rep(n int, f func(i int) []byte) (o []byte) {
	for i := range n {
		o = append(o, f(i)...)
	}
	return
}
func gets(n int) []byte { return rep(n, func(i int) []byte { return append([]byte{0x20}, u(i)...) }) }
func drops(n int) []byte { return rep(n, func(i int) []byte { return []byte{0x1a} }) }

var i32c0 = []byte{0x41, 0}

func fn(nlocals int, code []byte) *wasm.Module {
	m := &wasm.Module{Types: []wasm.FuncType{{}}, Functions: []uint32{0},
		Memories: []wasm.Limits{{Min: 1}},
		Bodies:   []wasm.Body{{Code: append(code, 0x0b)}}}
	if nlocals > 0 {
		m.Bodies[0].Locals = []wasm.Local{{Count: uint32(nlocals), Type: wasm.I32}}
	}
	return m
}

func measure(t *testing.T, name string, m *wasm.Module) {
	b := m.Encode()
	for _, way := range []string{"plain", "metered"} {
		c := b
		if way == "metered" {
			if os.Getenv("METER") == "" {
				continue
			}
			var err error
			if c, err = metered(b); err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
		}
		ctx := context.Background()
		runtime.GC()
		var a, z runtime.MemStats
		runtime.ReadMemStats(&a)
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
		start := time.Now()
		peak := uint64(0)
		done := make(chan bool)
		go func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(20 * time.Millisecond):
					var s runtime.MemStats
					runtime.ReadMemStats(&s)
					peak = max(peak, s.HeapInuse)
				}
			}
		}()
		_, err := r.CompileModule(ctx, c)
		d := time.Since(start)
		close(done)
		runtime.ReadMemStats(&z)
		es := ""
		if err != nil {
			es = err.Error()
			if len(es) > 100 {
				es = es[:100]
			}
		}
		fmt.Printf("%-40s %-7s %8d B  %8.3f s  total %6d MB peak %5d MB %s\n", name, way, len(c), d.Seconds(), (z.TotalAlloc-a.TotalAlloc)>>20, peak>>20, es)
		r.Close(ctx)
	}
}

func TestBombs(t *testing.T) {
	sel := os.Getenv("BOMB")
	for _, n := range []int{10_000, 50_000, 200_000} {
		if sel == "locals" {
			measure(t, fmt.Sprint("locals ", n), fn(n, nil))
		}
	}
	if sel == "lb" {
		for _, lb := range [][2]int{{100, 1000}, {1000, 1000}, {3000, 1000}, {1000, 3000},{100,10000}} {
			l, b := lb[0], lb[1]
			// each local set, then b ifs each setting one local; then read all
			measure(t, fmt.Sprint("ifs locals×blocks ", lb), fn(l, cat(
				rep(l, func(i int) []byte { return cat([]byte{0x41, 0, 0x2d, 0, 0, 0x21}, u(i)) }),
				rep(b, func(i int) []byte { return cat(i32c0, []byte{0x2d, 0, 0, 0x04, 0x40, 0x41, 1, 0x21}, u(i%l), []byte{0x0b}) }),
				gets(l), drops(l))))
			measure(t, fmt.Sprint("seq loops ", lb), fn(l, cat(
				rep(l, func(i int) []byte { return cat([]byte{0x41, 0, 0x2d, 0, 0, 0x21}, u(i)) }),
				rep(b, func(i int) []byte { return cat([]byte{0x03, 0x40, 0x41, 0, 0x2d, 0, 0, 0x21}, u(i%l), []byte{0x41, 0, 0x2d, 0, 0, 0x0d, 0, 0x0b}) }),
				gets(l), drops(l))))
			if b <= 1000 {
			measure(t, fmt.Sprint("nested loops ", lb), fn(l, cat(
				rep(b, func(i int) []byte { return cat([]byte{0x03, 0x40}) }),
				rep(l, func(i int) []byte { return cat([]byte{0x20}, u(i), []byte{0x41,1,0x6a,0x21}, u(i)) }),
				rep(b, func(i int) []byte { return cat([]byte{0x41, 0, 0x2d, 0, 0, 0x0d, 0, 0x0b}) }),
				)))
			}
		}
	}
	if sel == "stack" {
		for _, lb := range [][2]int{{100, 1000}, {1000, 1000}, {3000, 1000}, {1000, 3000}} {
			l, b := lb[0], lb[1]
			measure(t, fmt.Sprint("stack×blocks ", lb), fn(0, cat(
				rep(l, func(i int) []byte { return []byte{0x41, 0, 0x2d, 0, 0} }),
				rep(b, func(i int) []byte { return cat(i32c0, []byte{0x2d, 0, 0, 0x04, 0x40, 0x41, 1, 0x41, 1, 0x3a, 0, 0, 0x0b}) }),
				rep(l, func(i int) []byte { return []byte{0x41,0,0x36,0,0} }),
				)))
		}
	}
	if sel == "straight" {
		for _, n := range []int{10_000, 100_000, 300_000} {
			measure(t, fmt.Sprint("loads drop ", n), fn(0, rep(n, func(i int) []byte { return []byte{0x41, 0, 0x2d, 0, 0, 0x1a} })))
			measure(t, fmt.Sprint("load store ", n), fn(1, rep(n, func(i int) []byte { return []byte{0x20, 0, 0x20, 0, 0x2d, 0, 0, 0x3a, 0, 0} })))
			measure(t, fmt.Sprint("deep stack ", n), fn(0, cat(rep(n, func(i int) []byte { return []byte{0x41, 0, 0x2d, 0, 0} }), rep(n-1, func(i int) []byte { return []byte{0x6a} }), []byte{0x1a})))
			measure(t, fmt.Sprint("adds ", n), fn(1, rep(n, func(i int) []byte { return []byte{0x20, 0, 0x41, 1, 0x6a, 0x21, 0} })))
		}
	}
	if sel == "nest" {
		for _, n := range []int{1000, 10_000, 50_000} {
			measure(t, fmt.Sprint("nested blocks ", n), fn(0, cat(rep(n, func(int) []byte { return []byte{2, 0x40} }), rep(n, func(int) []byte { return []byte{0x0b} }))))
			measure(t, fmt.Sprint("nested loops ", n), fn(0, cat(rep(n, func(int) []byte { return []byte{3, 0x40} }), rep(n, func(int) []byte { return []byte{0x41, 0, 0x2d, 0, 0, 0x0d, 0, 0x0b} }))))
			measure(t, fmt.Sprint("nested ifs ", n), fn(0, cat(rep(n, func(int) []byte { return []byte{0x41, 0, 0x2d, 0, 0, 4, 0x40} }), rep(n, func(int) []byte { return []byte{0x0b} }))))
			measure(t, fmt.Sprint("nested ifs with stores ", n), fn(0, cat(rep(n, func(int) []byte { return []byte{0x41, 0, 0x2d, 0, 0, 4, 0x40} }), rep(n, func(int) []byte { return []byte{0x41, 0, 0x41, 0, 0x3a, 0, 0, 0x0b} }))))
			measure(t, fmt.Sprint("seq ifs ", n), fn(0, rep(n, func(int) []byte { return []byte{0x41, 0, 0x2d, 0, 0, 4, 0x40, 0x41, 0, 0x41, 0, 0x3a, 0, 0, 0x0b} })))
			measure(t, fmt.Sprint("seq loops ", n), fn(0, rep(n, func(int) []byte { return []byte{3, 0x40, 0x41, 0, 0x2d, 0, 0, 0x0d, 0, 0x0b} })))
		}
	}
	if sel == "brtable" {
		for _, n := range []int{1000, 10_000, 100_000} {
			measure(t, fmt.Sprint("br_table one target ", n), fn(0, cat([]byte{2, 0x40, 0x41, 0, 0x2d, 0, 0, 0x0e}, u(n), rep(n+1, func(int) []byte { return []byte{0} }), []byte{0x0b})))
			k := min(n, 5000)
			measure(t, fmt.Sprint("br_table arms ", k), fn(0, cat(rep(k+1, func(int) []byte { return []byte{2, 0x40} }), []byte{0x41, 0, 0x2d, 0, 0, 0x0e}, u(k), rep(k+1, func(i int) []byte { return u(i) }), rep(k+1, func(i int) []byte { return []byte{0x0b, 0x41, 0, 0x41, 0, 0x3a, 0, 0} }))))
			measure(t, fmt.Sprint("br_ifs to one label ", n), fn(0, cat([]byte{2, 0x40}, rep(n, func(int) []byte { return []byte{0x41, 0, 0x2d, 0, 0, 0x0d, 0} }), []byte{0x0b})))
		}
	}
	if sel == "calls" {
		for _, gc := range [][2]int{{100, 1000}, {1000, 1000}, {1000, 5000}} {
			m := fn(0, cat(rep(gc[0], func(i int) []byte { return cat([]byte{0x23}, u(i), []byte{0x24}, u(i)) }), rep(gc[1], func(int) []byte { return []byte{0x10, 1} }), rep(gc[0], func(i int) []byte { return cat([]byte{0x23}, u(i), []byte{0x24}, u(i)) })))
			m.Functions = append(m.Functions, 0)
			m.Bodies = append(m.Bodies, wasm.Body{Code: []byte{0x0b}})
			for range gc[0] {
				m.Globals = append(m.Globals, wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.I32, Mutable: true}, Init: []byte{0x41, 0, 0x0b}})
			}
			measure(t, fmt.Sprint("globals×calls ", gc), m)
		}
		for _, n := range []int{1000, 10_000, 100_000} {
			m := fn(0, rep(n, func(int) []byte { return []byte{0x10, 1} }))
			m.Functions = append(m.Functions, 0)
			m.Bodies = append(m.Bodies, wasm.Body{Code: []byte{0x0b}})
			measure(t, fmt.Sprint("calls ", n), m)
			p := make([]wasm.ValueType, 100)
			for i := range p {
				p[i] = wasm.I32
			}
			m = fn(0, rep(n/100, func(int) []byte { return cat(bytesRep([]byte{0x41, 0, 0x2d, 0, 0}, 100), []byte{0x10, 1}) }))
			m.Types = append(m.Types, wasm.FuncType{Params: p})
			m.Functions = append(m.Functions, 1)
			m.Bodies = append(m.Bodies, wasm.Body{Code: []byte{0x0b}})
			measure(t, fmt.Sprint("calls with 100 params ", n/100), m)
		}
	}
	if sel == "values" {
		for _, nv := range [][2]int{{100, 100}, {1000, 100}, {1000, 1000}, {100, 10000}} {
			v, b := nv[0], nv[1]
			p := make([]wasm.ValueType, v)
			for i := range p {
				p[i] = wasm.I32
			}
			m := fn(0, cat(bytesRep([]byte{0x41, 0, 0x2d, 0, 0}, v), rep(b, func(int) []byte { return []byte{3, 1, 0x0b} }), drops(v)))
			m.Types = append(m.Types, wasm.FuncType{Params: p, Results: p})
			measure(t, fmt.Sprint("loops with values ", nv), m)
			m = fn(0, cat(bytesRep([]byte{0x41, 0, 0x2d, 0, 0}, v), rep(b, func(int) []byte { return []byte{3, 1, 0x41, 0, 0x2d, 0, 0, 0x0d, 0, 0x0b} }), drops(v)))
			m.Types = append(m.Types, wasm.FuncType{Params: p, Results: p})
			measure(t, fmt.Sprint("loops br_if with values ", nv), m)
			m = fn(0, cat(bytesRep([]byte{0x41, 0, 0x2d, 0, 0}, v), []byte{2, 1}, []byte{0x41, 0, 0x2d, 0, 0, 0x0e}, u(b), make([]byte, b+1), []byte{0x0b}, drops(v)))
			m.Types = append(m.Types, wasm.FuncType{Params: p, Results: p})
			measure(t, fmt.Sprint("br_table with values ", nv), m)
		}
	}
	if sel == "funcs" {
		for _, n := range []int{10_000, 100_000, 500_000} {
			m := fn(0, nil)
			for range n {
				m.Functions = append(m.Functions, 0)
				m.Bodies = append(m.Bodies, wasm.Body{Code: []byte{0x0b}})
			}
			measure(t, fmt.Sprint("functions ", n), m)
			m = fn(0, nil)
			for range n {
				m.Types = append(m.Types, wasm.FuncType{})
			}
			measure(t, fmt.Sprint("types ", n), m)
			m = fn(0, nil)
			for range n {
				m.Globals = append(m.Globals, wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.I32, Mutable: true}, Init: []byte{0x41, 0, 0x0b}})
			}
			measure(t, fmt.Sprint("globals ", n), m)
			m = fn(0, nil)
			for range n {
				m.Data = append(m.Data, wasm.Data{Offset: []byte{0x41, 0, 0x0b}})
			}
			measure(t, fmt.Sprint("data ", n), m)
			m = fn(0, nil)
			for i := range n {
				m.Exports = append(m.Exports, wasm.Export{Name: fmt.Sprint(i)})
			}
			measure(t, fmt.Sprint("exports ", n), m)
		}
	}
}

func bytesRep(b []byte, n int) (o []byte) {
	for range n {
		o = append(o, b...)
	}
	return
}
