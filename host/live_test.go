package host_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/host"
)

// BenchmarkLive holds many streams of a Go guest open, each on an instance of its own that has sent
// an event and sleeps, and reports what one takes: of Go's heap, of the process's memory, and to
// start.
func BenchmarkLive(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("instances=%d", n), func(b *testing.B) {
			s := gopherStage(b, host.Config{Instances: n + 1})
			for b.Loop() {
				live(b, s, n)
			}
		})
	}
}

func live(b *testing.B, s *stage, n int) {
	ctx, end := context.WithCancel(context.Background())
	var streams sync.WaitGroup
	defer streams.Wait()
	defer end()
	heap, resident, maps := heapBytes(), residentBytes(b), mappings(b)
	began := time.Now()
	for range n {
		streams.Go(func() {
			if err := s.do(ctx, "sleep"); err != nil {
				b.Error(err)
			}
		})
	}
	await(b, "all sleep", func() bool { return len(s.viewer.data()) == n })
	b.ReportMetric(time.Since(began).Seconds()/float64(n)*1e6, "µs/instance")
	b.ReportMetric(float64(heapBytes()-heap)/float64(n), "heapB/instance")
	b.ReportMetric(float64(residentBytes(b)-resident)/float64(n), "residentB/instance")
	b.ReportMetric(float64(residentBytes(b))/(1<<20), "residentMiB")
	b.ReportMetric(float64(mappings(b)-maps)/float64(n), "mappings/instance")
	end()
	streams.Wait()
	s.viewer = newViewer()
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// residentBytes is the memory that the process holds, with its share of what several mappings show.
func residentBytes(t testing.TB) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Skip("needs /proc")
	}
	_, after, _ := strings.Cut(string(text), "\nPss:")
	var kilobytes int64
	if _, err := fmt.Sscan(after, &kilobytes); err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

var churn = flag.Int("churn", 2_000, "how many streams TestChurn opens and closes")

// TestChurn opens and closes streams of a Go guest, some of which end by themselves, by a trap or by
// an exit, and wants memory and mappings to be what they were after the first hundredth. Of mappings
// some come and go with the threads of a busy machine: far fewer than streams.
func TestChurn(t *testing.T) {
	s := gopherStage(t, host.Config{})
	whats := []string{"hello", "hello", "print", "panic", "exit", "surroundings"}
	run := func(n int) {
		var workers sync.WaitGroup
		for range 4 {
			workers.Go(func() {
				for i := range n / 4 {
					s := &stage{host: s.host, plugin: s.plugin, viewer: newViewer(), tenant: newTenant(), lines: &lines{}}
					what := whats[i%len(whats)]
					if err := s.do(context.Background(), what); (err != nil) != (what == "panic" || what == "exit") {
						t.Errorf("%s: %v", what, err)
					}
				}
			})
		}
		workers.Wait()
	}
	run(max(*churn/100, 200))
	heap, resident, maps := heapBytes(), residentBytes(t), mappings(t)
	began := time.Now()
	run(*churn)
	t.Logf("%d streams in %v", *churn, time.Since(began))
	heapAfter, residentAfter, mapsAfter := heapBytes(), residentBytes(t), mappings(t)
	t.Logf("heap %d KiB, then %d; resident %d KiB, then %d; mappings %d, then %d",
		heap>>10, heapAfter>>10, resident>>10, residentAfter>>10, maps, mapsAfter)
	if heapAfter > heap+heap/20+1<<20 || residentAfter > resident+resident/20+16<<20 || mapsAfter > maps+100 {
		t.Error("that is more than it was")
	}
	if stats := s.host.Stats(); stats.Instances != 0 {
		t.Errorf("%d instances are left", stats.Instances)
	}
}
