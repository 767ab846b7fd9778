package host_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

// echo is an event callback that sends what it receives, as a compiler of C would make it.
func echo() []byte {
	m := newModule()
	receive, send := m.imported("receive"), m.imported("send")
	m.export(abi.OnEvent,
		i32(0), i32(64), i32(1024), i64(0), call(receive), drop,
		i32(64+abi.RecordHeader), i32(200), i32(0), i32(0), i32(0), i32(0), call(send), drop,
		i32(0))
	return m.bytes()
}

// BenchmarkEvent gives an event of 200 bytes to a callback that answers with one.
func BenchmarkEvent(b *testing.B) {
	for name, stage := range map[string]func() *stage{
		"guest=handmade": func() *stage { return set(b, host.Config{}, echo()) },
		"guest=go":       func() *stage { return gopherStage(b, host.Config{}) },
	} {
		b.Run(name, func(b *testing.B) {
			s := stage()
			e := &abi.Event{Data: strings.Repeat("x", 200), Time: time.Now()}
			session := s.session()
			b.ReportAllocs()
			for b.Loop() {
				if o, err := s.plugin.Event(context.Background(), session, e); err != nil || len(o.Outputs) != 1 {
					b.Fatal(o, err)
				}
			}
		})
	}
}

// BenchmarkStream runs a stream that sends one event, on an instance of its own.
func BenchmarkStream(b *testing.B) {
	for name, stage := range map[string]func() *stage{
		"guest=handmade": func() *stage {
			return set(b, host.Config{}, using(abi.OnStream, use{"send", []any{"hello", "", ""}}).bytes())
		},
		"guest=go": func() *stage { return gopherStage(b, host.Config{}) },
	} {
		b.Run(name, func(b *testing.B) {
			s := stage()
			b.ReportAllocs()
			for b.Loop() {
				if err := s.do(context.Background(), "hello"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPrepare prepares a Go guest.
func BenchmarkPrepare(b *testing.B) {
	wasm := gopher(b)
	prepare := func(b *testing.B, dir string, compiler ...string) {
		h := newHost(b, host.Config{CacheDir: dir, Compiler: compiler})
		p, err := h.Prepare(context.Background(), wasm)
		if err != nil {
			b.Fatal(err)
		}
		p.Release()
	}
	b.Run("cache=none", func(b *testing.B) {
		for b.Loop() {
			prepare(b, "")
		}
	})
	b.Run("cache=none,process=own", func(b *testing.B) {
		for b.Loop() {
			prepare(b, "", compiler(b)...)
		}
	})
	b.Run("cache=disk", func(b *testing.B) {
		dir := filepath.Join(b.TempDir(), "cache")
		prepare(b, dir)
		for b.Loop() {
			prepare(b, dir)
		}
	})
}
