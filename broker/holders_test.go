package broker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
)

// holders hold a number of keys on some nodes, and count who has each.
type holders struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	by   []map[int]bool // of each key, the nodes that hold it
	most int            // that held one at once
}

func newHolders(brokers []*broker.Broker, keys int) *holders {
	ctx, cancel := context.WithCancel(context.Background())
	h := &holders{ctx: ctx, cancel: cancel, by: make([]map[int]bool, keys)}
	for key := range keys {
		h.by[key] = map[int]bool{}
	}
	for node, b := range brokers {
		h.add(b, node)
	}
	return h
}

// add makes a node a holder of all keys that it can get.
func (h *holders) add(b *broker.Broker, node int) {
	for key := range h.by {
		h.wg.Go(func() { h.hold(h.ctx, b, key, node) })
	}
}

func (h *holders) hold(ctx context.Context, b *broker.Broker, key, node int) {
	for {
		held, release, err := b.Hold(ctx, fmt.Sprint("source.acme.", key))
		if err != nil {
			return
		}
		h.set(key, node, true)
		<-held.Done()
		h.set(key, node, false)
		release()
	}
}

func (h *holders) set(key, node int, holds bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if holds {
		h.by[key][node] = true
	} else {
		delete(h.by[key], node)
	}
	h.most = max(h.most, len(h.by[key]))
}

// settle waits until each key has one holder, and nodes of them share the keys.
func (h *holders) settle(t *testing.T, nodes int) {
	t.Helper()
	for ctx := within(t); ; time.Sleep(10 * time.Millisecond) {
		h.mu.Lock()
		one, busy := true, map[int]bool{}
		for _, by := range h.by {
			one = one && len(by) == 1
			for node := range by {
				busy[node] = true
			}
		}
		most := h.most
		h.mu.Unlock()
		if one && len(busy) == nodes {
			if most > 1 {
				t.Errorf("%d nodes held a key at once", most)
			}
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("not each key has one holder; %d nodes hold some", len(busy))
		}
	}
}

func (h *holders) end() {
	h.cancel()
	h.wg.Wait()
}
