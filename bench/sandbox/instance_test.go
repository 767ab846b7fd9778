package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/host/wasm"
)

// guests are the modules whose instances are measured.
func guests() map[string]func(b *testing.B) []byte {
	return map[string]func(b *testing.B) []byte{
		"C":           func(b *testing.B) []byte { return read(b, "c/millrace.wasm") },
		"Rust":        func(b *testing.B) []byte { return read(b, "rust/millrace.wasm") },
		"Go":          func(b *testing.B) []byte { return buildGo(b, "raw") },
		"Go with SDK": func(b *testing.B) []byte { return buildGo(b, "sdk") },
		"JavaScript":  quickJS,
	}
}

// BenchmarkInstances opens streams, each on an instance of its own that receives an event, answers it
// and waits, and reports what one takes: to start until it waits, of Go's heap, and of the process's
// memory. Plain instances are those of a module that cannot be snapshotted.
func BenchmarkInstances(b *testing.B) {
	for name, guest := range guests() {
		for _, plain := range []bool{false, true} {
			for _, n := range []int{100, 1_000, 10_000} {
				if plain && n == 10_000 || plain && n == 1_000 && strings.HasPrefix(name, "Go") {
					continue // gigabytes
				}
				b.Run(fmt.Sprintf("guest=%s,plain=%v,instances=%d", name, plain, n), func(b *testing.B) {
					p := prepared(b, host.Config{CPUShare: 1000, Instances: n + 1}, asStream(b, guest(b), plain))
					if p.Info().Snapshot == plain {
						b.Fatal(p.Info().SnapshotReason)
					}
					for b.Loop() {
						hold(b, p, n)
					}
				})
			}
		}
	}
}

// BenchmarkPrepare prepares guests with and without code that was compiled before.
func BenchmarkPrepare(b *testing.B) {
	for name, guest := range guests() {
		for _, cached := range []bool{false, true} {
			b.Run(fmt.Sprintf("guest=%s,cached=%v", name, cached), func(b *testing.B) {
				module := guest(b)
				dir := filepath.Join(b.TempDir(), "cache")
				if cached {
					prepared(b, host.Config{CacheDir: dir}, module)
				}
				for n := 0; b.Loop(); n++ {
					if !cached {
						dir = filepath.Join(b.TempDir(), fmt.Sprint(n))
					}
					prepared(b, host.Config{CacheDir: dir}, module)
				}
				b.ReportMetric(float64(len(module)), "module-B")
			})
		}
	}
}

// prepared is a plugin of a host of its own.
func prepared(b *testing.B, c host.Config, module []byte) *host.Plugin {
	b.Helper()
	h, err := host.New(context.Background(), c)
	if err != nil {
		b.Fatal(err)
	}
	p, err := h.Prepare(context.Background(), module)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Close(context.Background()) })
	return p
}

// asStream gives a guest's onEvent the name onStream too. For plain instances it adds a function that
// changes a table, and is never called.
func asStream(b *testing.B, module []byte, plain bool) []byte {
	b.Helper()
	m, err := wasm.Decode(module)
	if err != nil {
		b.Fatal(err)
	}
	onEvent, _ := m.Export(abi.OnEvent)
	m.Exports = append(m.Exports, wasm.Export{Name: abi.OnStream, Index: onEvent.Index})
	if plain {
		if len(m.Tables) == 0 {
			m.Tables = []wasm.Table{{Type: wasm.FuncRef, Limits: wasm.Limits{Min: 1}}}
		}
		m.Types = append(m.Types, wasm.FuncType{})
		m.Functions = append(m.Functions, uint32(len(m.Types)-1))
		m.Bodies = append(m.Bodies, wasm.Body{Code: []byte{0x41, 0, 0xd0, 0x70, 0x26, 0, 0x0b}})
	}
	return m.Encode()
}

// hold opens n streams and measures once all of them wait.
func hold(b *testing.B, p *host.Plugin, n int) {
	ctx, end := context.WithCancel(context.Background())
	var waiting, streams sync.WaitGroup
	waiting.Add(n)
	heap, resident := heapBytes(), residentBytes(b)
	began := time.Now()
	for range n {
		streams.Go(func() {
			v := &viewer{ctx: ctx, waits: waiting.Done}
			if err := p.Stream(ctx, host.Session{Emitter: v}); err != nil {
				b.Error(err)
			}
		})
	}
	waiting.Wait()
	b.ReportMetric(time.Since(began).Seconds()*1e6/float64(n), "µs/instance")
	b.ReportMetric(float64(heapBytes()-heap)/float64(n), "heapB/instance")
	b.ReportMetric(float64(residentBytes(b)-resident)/float64(n), "residentB/instance")
	end()
	streams.Wait()
}

// viewer gives a guest one event and keeps it waiting when it answers.
type viewer struct {
	ctx   context.Context
	waits func()
}

func (v *viewer) Receive(context.Context) (*abi.Event, error) { return &abi.Event{Data: event}, nil }

func (v *viewer) Send(abi.Event) error {
	v.waits()
	<-v.ctx.Done()
	return abi.Closed
}

func (v *viewer) Comment(string) error { return nil }

func (v *viewer) Close() {}

func heapBytes() int64 {
	debug.FreeOSMemory() // what earlier runs left would come to count as less
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// residentBytes is the memory that the process holds, with its share of what several mappings show.
func residentBytes(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		b.Skip("needs /proc")
	}
	_, after, _ := strings.Cut(string(text), "\nPss:")
	var kilobytes int64
	if _, err := fmt.Sscan(after, &kilobytes); err != nil {
		b.Fatal(err)
	}
	return kilobytes << 10
}
