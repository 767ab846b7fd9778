package crowd

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/bench"
	"github.com/millrace/millrace/tests/program"
)

// memory is what a server had in main memory, each second.
type memory struct {
	stop func()
	seen []int64 // bytes; to be read after stop
}

// watchMemory watches a server until the memory is judged, or the test ends.
func watchMemory(t *testing.T, s *program.Server) *memory {
	ctx, cancel := context.WithCancel(t.Context())
	m := &memory{}
	var watching sync.WaitGroup
	m.stop = func() { cancel(); watching.Wait() }
	t.Cleanup(m.stop)
	usage := bench.Metrics(s.URL+"/metrics", "Bearer "+s.Token)
	watching.Go(func() {
		each := time.NewTicker(time.Second)
		defer each.Stop()
		for {
			if u, err := usage(ctx); err == nil {
				m.seen = append(m.seen, u.Memory)
			}
			select {
			case <-ctx.Done():
				return
			case <-each.C:
			}
		}
	})
	return m
}

// judge fails the test if the last quarter of the time took more memory than the second, in which
// everybody is there and as far behind as bounds let them be. A collector's swing is let pass.
func (m *memory) judge(t *testing.T) {
	t.Helper()
	m.stop()
	n := len(m.seen)
	if n < 8 {
		t.Fatalf("memory was seen %d times", n)
	}
	second, last := median(m.seen[n/4:n/2]), median(m.seen[3*n/4:])
	t.Logf("memory: %d MiB in the second quarter, %d MiB in the last, %d MiB at most", second>>20, last>>20, slices.Max(m.seen)>>20)
	if last > second+second/4+(32<<20) {
		t.Errorf("memory grew from %d to %d MiB", second>>20, last>>20)
	}
}

func median(values []int64) int64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func (m *memory) least() int64 { return slices.Min(m.seen) }
func (m *memory) most() int64  { return slices.Max(m.seen) }
