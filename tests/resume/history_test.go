package resume

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/program"
)

const (
	batchSize  = 1000
	publishers = 4
	subjects   = 100 // event i of a batch is published to n.{i % subjects}
)

// history is events published in batches. Batches lie in history in the order of their list, as far
// as that matters: near its start are the oldest.
type history struct {
	server  *program.Server
	batches [][]string // of each batch the ids, which lie next to each other
	next    atomic.Int64
}

func dataOf(batch, line int) string {
	return fmt.Sprintf(`{"batch": %d, "line": %d, "text": "what an event of a usual size might say"}`, batch, line)
}

// publish fills the history over several connections.
func (h *history) publish(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	errs := make(chan error, publishers)
	var wg sync.WaitGroup
	begin := time.Now()
	for range publishers {
		wg.Go(func() { errs <- h.publishBatches(ctx) })
	}
	wg.Wait()
	took := time.Since(begin)
	for range publishers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	events := len(h.batches) * batchSize
	t.Logf("%d events published in %.1f s, %.0f a second, in batches of %d over %d connections",
		events, took.Seconds(), float64(events)/took.Seconds(), batchSize, publishers)
}

func (h *history) publishBatches(ctx context.Context) error {
	for {
		n := int(h.next.Add(1)) - 1
		if n >= len(h.batches) {
			return nil
		}
		events := make([]program.Event, batchSize)
		for i := range events {
			events[i] = program.Event{Subject: fmt.Sprintf("n.%d", i%subjects), Data: dataOf(n, i)}
		}
		ids, err := h.server.PublishBatch(ctx, "acme", events)
		if err != nil {
			return fmt.Errorf("batch %d: %w", n, err)
		}
		h.batches[n] = ids
	}
}

// place is an event in the history that is not so near to its batch's end that its follower, on the
// same subject too, is in another batch.
type place struct{ batch, line int }

// places draws places from the batches between two parts of the history, as 0 to 0.01.
func (h *history) places(r *rand.Rand, count int, from, to float64) []place {
	first, last := int(from*float64(len(h.batches))), int(to*float64(len(h.batches)))
	ps := make([]place, count)
	for i := range ps {
		ps[i] = place{first + r.IntN(last-first), r.IntN(batchSize - subjects)}
	}
	return ps
}
