package host

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// memory watches what the process takes. How much an instance writes to nobody can count while it
// does: most of what it sees is shared with others until it writes there. So the whole is looked at
// from time to time, and when it is too much, new instances and larger ones are refused, and instances
// of those who hold most are stopped. It is safe for concurrent use.
type memory struct {
	most   int64 // bytes of the process
	birth  time.Time
	looked atomic.Int64 // nanoseconds from birth
	reaped atomic.Int64
	full   atomic.Bool
}

const (
	lookTime = 50 * time.Millisecond // between two looks at the process
	reapTime = time.Second           // between two looks at all instances
)

// isFull tells whether the process takes too much.
func (m *memory) isFull() bool {
	if m.due(&m.looked, lookTime) {
		m.full.Store(processBytes() > m.most)
	}
	return m.full.Load()
}

// due tells whether so much time has passed since it last did so, if it ever did.
func (m *memory) due(last *atomic.Int64, every time.Duration) bool {
	now, at := int64(time.Since(m.birth)), last.Load()
	return (at == 0 || now-at >= int64(every)) && last.CompareAndSwap(at, now)
}

// isFull tells whether the plugins get no more memory. It has the greedy ones stopped then.
func (h *Host) isFull() bool {
	if !h.memory.isFull() {
		return false
	}
	if h.memory.due(&h.memory.reaped, reapTime) && h.enter(0) == nil {
		go func() {
			defer h.leave(0)
			h.reap()
		}()
	}
	return true
}

// reap stops what tooMuch says, of what is left beside what the process takes itself, and of half of
// all at least.
func (h *Host) reap() {
	pages, err := openPageMap()
	if err != nil {
		h.config.Logger.Error("look at the memory of plugins", "error", err)
		return
	}
	defer pages.close()
	var all []holding
	plugins := int64(0)
	for _, i := range h.instancesNow() {
		bytes := i.memory.held(pages) + i.code.tableBytes
		plugins += bytes
		all = append(all, holding{i, i.share.Load(), bytes})
	}
	most := h.memory.most
	stop := tooMuch(all, max(most-max(processBytes()-plugins, 0), most/2))
	h.config.Logger.Warn("plugins take too much memory", "bytes", plugins, "instances", len(all), "stopped", len(stop))
	for _, i := range stop {
		i.stop()
	}
}

// instancesNow are the instances that live.
func (h *Host) instancesNow() []*instance {
	h.mu.Lock()
	defer h.mu.Unlock()
	live := make([]*instance, 0, len(h.live))
	for i := range h.live {
		live = append(live, i)
	}
	return live
}

// stop has the instance's callback end in a trap, also one that waits. An idle instance is taken out
// of its pool and closed. Any goroutine may call it.
func (i *instance) stop() {
	i.stopped.Store(true)
	if wake := i.wake.Load(); wake != nil {
		(*wake)()
	}
	if i.pool != nil && i.pool.evict(i) {
		i.close()
	}
}

// dispossessed is what a guest is to be stopped with that held too much memory.
func (i *instance) dispossessed() *fault {
	if i.stopped.Load() {
		return &fault{fmt.Sprintf("the plugins of this node take more than %d bytes, and this one has much of that", i.code.host.memory.most), LimitMemory}
	}
	return nil
}

// wakeable returns a context that ends with ctx, and when the instance is stopped.
func (i *instance) wakeable(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	i.wake.Store(&cancel)
	if i.stopped.Load() {
		cancel()
	}
	return ctx, cancel
}

// defaultMemory is half of what the machine has, or no bound where that is unknown.
func defaultMemory() int64 {
	if ram := machineBytes(); ram > 0 {
		return ram / 2
	}
	return math.MaxInt64
}
