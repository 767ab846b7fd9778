package broker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	liveQueue = 8192             // messages that may wait for the hub; more are lost and read from history
	liveBytes = 32 << 20         // and their bytes
	tick      = time.Second      // at the latest, a hub looks around this often
	maxQuiet  = 30 * time.Second // the longest time without asking the leader whether all is here
	maxFill   = 4096             // a larger gap is left to those who want it
)

// hub is the one live reader of a tenant's history on this node. It takes what the stream repeats on
// live subjects, puts it into sequence, fills what is missing from history, and hands each event to
// the filters that match.
type hub struct {
	link    *link
	history *history
	live    *nats.Subscription
	ctx     context.Context // ends with the hub; its cause is why
	cancel  context.CancelCauseFunc
	passed  atomic.Uint64 // everything up to it was handed on
	begun   uint64        // what comes after it was stored while the hub was there
	lag     lag

	// The goroutine's own.
	next    uint64    // the sequence that has to come
	doubted time.Time // since when history seems to end before it, or to be gone
	missing time.Time // since when it seems to have nothing from it on, though there was something

	mu      sync.Mutex
	ring    ring
	index   index
	filters map[string]*filter
	subs    int
	empty   time.Time // since when there are no subscriptions

	behind    atomic.Int32  // subscriptions that read history now
	recalling sync.Mutex    // see recall
	recalls   atomic.Uint64 // that were begun

	asking  sync.Mutex // one question for the extent at a time
	extent  extent
	refused error
	asked   time.Time // when the question for extent was sent
}

// attach returns the tenant's hub with one subscription more, and makes it if there is none. A
// subscription that continues after a position tells it.
func (l *link) attach(ctx context.Context, after Position) (*hub, error) {
	ctx, stop := l.within(ctx)
	defer stop()
	h, err := l.attachOnce(ctx, after)
	if errors.Is(err, ErrGone) { // the history was removed since this node last looked
		h, err = l.attachOnce(ctx, after)
	}
	if err != nil {
		return nil, l.failed("attach to hub", err)
	}
	return h, nil
}

func (l *link) attachOnce(ctx context.Context, after Position) (*hub, error) {
	ev, err := l.history(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.hub; h != nil && h.join() {
		return h, nil
	}
	h, err := newHub(ctx, l, ev, after)
	if errors.Is(err, ErrGone) {
		l.ev = nil
	}
	if err != nil {
		return nil, err
	}
	if !l.broker.start(h.run) {
		h.stop(ErrClosed)
		return nil, ErrClosed
	}
	l.broker.counts.hubs.Add(1)
	l.hub = h
	return h, nil
}

// newHub listens first and then asks how far the history reaches, so that nothing falls between.
func newHub(ctx context.Context, l *link, ev *history, after Position) (*hub, error) {
	live, err := l.nc.SubscribeSync(livePrefix + ">")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(live.SetPendingLimits(liveQueue, liveBytes), l.nc.FlushWithContext(ctx)); err != nil {
		live.Unsubscribe()
		return nil, err
	}
	h := &hub{link: l, history: ev, live: live, filters: map[string]*filter{}, subs: 1, lag: lag{made: time.Now()}}
	err = retry(ctx, func(ctx context.Context) (err error) {
		h.asked = time.Now()
		h.extent, err = ev.extent(ctx)
		return err
	})
	if err != nil {
		live.Unsubscribe()
		return nil, err
	}
	h.ctx, h.cancel = context.WithCancelCause(l.ctx)
	h.begun = h.extent.Last
	h.ring.limit = l.broker.config.RingBytes
	h.pass(h.begun - h.warm(after))
	h.ring.reset(h.next - 1)
	return h, nil
}

// warm is how many of the newest events the hub begins with. After a restart all viewers come back
// at once with similar positions: what the first of them missed is read once, and the others find
// it in memory. It is no more than a gap may be, and than fits into the ring.
func (h *hub) warm(after Position) uint64 {
	x := h.extent
	if after, ok := h.history.current(after); !ok || after.Seq >= x.Last || x.Events == 0 {
		return 0
	}
	room := uint64(h.ring.limit) / (x.Bytes/x.Events + eventOverhead)
	return min(2*(x.Last-after.Seq), maxFill, room, x.Last+1-x.First)
}

// join counts one subscription more, unless the hub has ended.
func (h *hub) join() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		return false
	}
	h.subs++
	return true
}

// leave takes a subscription off.
func (h *hub) leave(f *filter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f != nil {
		if f.subs--; f.subs == 0 {
			delete(h.filters, f.key)
			h.index.remove(f)
		}
	}
	h.subs--
	h.empty = time.Now()
}

// filter returns the filter for patterns, with one subscription more.
func (h *hub) filter(patterns []string) *filter {
	f := newFilter(patterns)
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.filters[f.key]; old != nil {
		f = old
	} else {
		f.floor = h.ring.floor
		for _, e := range h.ring.all() {
			if f.matches(e.Subject) {
				f.list.push(e)
			}
		}
		h.filters[f.key] = f
		h.index.add(f)
	}
	f.subs++
	return f
}

// run is the hub's goroutine. It ends when nobody has been subscribed for the linger time, with the
// link, or when the history turns out to be another.
func (h *hub) run() {
	defer h.link.broker.counts.hubs.Add(-1)
	defer context.AfterFunc(h.ctx, func() { h.live.Unsubscribe() })()
	defer h.live.Unsubscribe()
	quiet := tick
	due := time.Now().Add(quiet)
	connected := h.link.nc.Stats().Reconnects
	h.fill(h.begun + 1)
	for h.ctx.Err() == nil && !h.endIdle() {
		m, err := h.live.NextMsg(tick)
		switch {
		case err == nil && h.take(m):
			quiet = tick
			due = time.Now().Add(quiet)
		case err == nil, errors.Is(err, nats.ErrTimeout):
		case errors.Is(err, nats.ErrSlowConsumer): // the next message shows what is missing
		default:
			h.stop(ErrClosed) // the connection is closed, or the link has ended
		}
		lost := err != nil && h.link.nc.Stats().Reconnects != connected
		if lost || time.Now().After(due) {
			connected = h.link.nc.Stats().Reconnects
			quiet = min(2*quiet, maxQuiet)
			if h.check() {
				quiet = tick
			}
			due = time.Now().Add(quiet)
		}
	}
}

// stop ends the hub and its subscriptions.
func (h *hub) stop(cause error) { h.cancel(cause) }

// endIdle ends the hub if nobody has been subscribed for the linger time.
func (h *hub) endIdle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs > 0 || time.Since(h.empty) < h.link.broker.config.Linger {
		return false
	}
	h.stop(ErrClosed)
	return true
}

// reach returns how far the history reached at some time after since. Those who ask at once share
// one question to the leader, and its failure.
func (h *hub) reach(since time.Time) (extent, error) {
	h.asking.Lock()
	defer h.asking.Unlock()
	if h.asked.Before(since) {
		ctx, cancel := context.WithTimeout(h.ctx, 5*time.Second)
		defer cancel()
		h.asked = time.Now()
		h.extent, h.refused = h.history.extent(ctx)
	}
	return h.extent, h.refused
}
