package broker

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/millrace/millrace/abi"
)

// take handles one live message; it returns whether the hub came on by it.
func (h *hub) take(m *nats.Msg) bool {
	seq := sequence(m)
	if lose := h.link.broker.loseLive; lose != nil && lose(seq) {
		return false
	}
	if seq < h.next {
		return false
	}
	if seq > h.next {
		h.link.broker.counts.gaps.Add(1)
		h.lag.reaches(seq, h.next-1)
		h.fill(seq)
	}
	if seq == h.next {
		h.hand(h.history.event(m, false))
	}
	return true
}

// hand passes the next event on.
func (h *hub) hand(e *abi.Event) {
	if internal(e.Subject) {
		h.pass(e.Seq)
		return
	}
	h.mu.Lock()
	for _, f := range h.index.match(e.Subject) {
		f.add(e)
	}
	h.ring.add(e, func(old *abi.Event) {
		for _, f := range h.index.match(old.Subject) {
			f.evict(old)
		}
	})
	h.mu.Unlock()
	h.pass(e.Seq)
}

// pass notes that everything up to seq was handed on. It comes after the lists have it: who reads
// passed and then a list, and finds nothing there, has everything up to passed.
func (h *hub) pass(seq uint64) {
	h.next = seq + 1
	h.passed.Store(seq)
}

// check asks the leader whether there is more than what was repeated: repeating is fire and forget.
// It returns whether there was.
func (h *hub) check() bool {
	x, err := h.reach(time.Now())
	switch {
	case h.gone(x, err), err != nil, x.Last < h.next:
		return false
	}
	h.link.broker.counts.gaps.Add(1)
	h.lag.reaches(x.Last, h.next-1)
	h.fill(x.Last + 1)
	return true
}

// gone ends the hub when the leader knows another history, or one that ends before what was seen.
func (h *hub) gone(x extent, err error) bool {
	switch {
	case err == nil && x.Last+1 >= h.next:
		h.doubted = time.Time{}
		return false
	case err != nil && !errors.Is(err, ErrGone), h.link.broker.doubts(&h.doubted):
		return false
	}
	h.link.forget(h.history)
	h.stop(ErrGone)
	return true
}

// fill hands on what history has before seq. It ends early only with the hub.
func (h *hub) fill(seq uint64) {
	if seq > h.next+maxFill {
		h.skip(seq)
		return
	}
	for try := 0; h.next < seq; try++ {
		from := h.next
		if err := h.fillSome(seq); err != nil && !transient(err) && h.ctx.Err() == nil {
			h.link.broker.config.Logger.Warn("gap is not yet filled", "tenant", h.link.tenant.Name, "from", from, "to", seq, "error", err)
		}
		if h.next > from {
			try = 0
		} else if !pause(h.ctx, try) || try >= 3 && h.gone(h.reach(time.Now())) {
			return
		}
	}
}

func (h *hub) fillSome(seq uint64) error {
	msgs, whole, err := h.history.read(h.ctx, reading{Seq: h.next, Batch: int(min(seq-h.next, readEvents))})
	if err != nil {
		return err
	}
	for _, m := range msgs {
		at := min(sequence(m), seq)
		if at > h.next {
			if sure, err := h.hole(at); err != nil || !sure {
				return err
			}
		}
		if h.next == seq {
			return nil
		}
		e := h.history.event(m, sequence(m) <= h.begun)
		h.hand(e)
		if !e.Replayed {
			h.link.broker.counts.filled.Add(1)
		}
	}
	if whole && h.next < seq {
		_, err = h.hole(seq)
	}
	return err
}

// hole passes over sequences before seq, if the leader says that nothing is stored there any more.
// A replica that lags may lack what the leader has.
func (h *hub) hole(seq uint64) (sure bool, err error) {
	ctx, cancel := context.WithTimeout(h.ctx, 5*time.Second)
	defer cancel()
	next, found, err := h.history.nextStored(ctx, h.next)
	if err != nil {
		return false, err
	}
	if !found && h.link.broker.doubts(&h.missing) {
		return false, nil
	}
	h.missing = time.Time{}
	if found && next < seq {
		return false, nil
	}
	h.pass(seq - 1)
	return true, nil
}

// skip goes on at seq and leaves what is before it to the subscriptions, which read it from history.
func (h *hub) skip(seq uint64) {
	h.mu.Lock()
	h.ring.reset(seq - 1)
	for _, f := range h.filters {
		f.reset(seq - 1)
	}
	h.mu.Unlock()
	h.pass(seq - 1)
}
