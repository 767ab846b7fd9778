package broker

import (
	"context"
	"time"

	"github.com/millrace/millrace/abi"
)

// recall reads history back into the ring, from behind a sequence up to where the ring begins, and as
// much again before that: those who come back at once, after a restart above all, have missed much the
// same, and it is read once for all. It returns false if that is more than a gap may be or the ring has
// room for, or if it could not be read; who asks then reads history by itself.
func (h *hub) recall(ctx context.Context, after uint64) bool {
	h.behind.Add(1)
	defer h.behind.Add(-1)
	before := h.recalls.Load()
	h.recalling.Lock()
	defer h.recalling.Unlock()
	floor, room, most := h.ringRoom()
	switch {
	case after >= floor: // somebody has just done it
		return true
	case h.recalls.Load() != before: // or tried, and the others who waited for that shall not wait again
		return false
	case floor-after > most:
		return false
	}
	h.recalls.Add(1)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	from := floor - min(2*(floor-after), most, floor)
	events, err := h.between(ctx, from, floor)
	if err != nil {
		return false
	}
	x, err := h.reach(time.Now()) // what was read is whole only from where history begins now
	if err != nil {
		return false
	}
	from = max(from, x.First-1)
	for size := bytesOf(events); len(events) > 0 && (events[0].Seq <= from || size > room); events = events[1:] {
		from = max(from, events[0].Seq)
		size -= eventBytes(events[0])
	}
	return h.putBack(events, from, floor) && from <= after
}

// ringRoom is where the ring begins, how many bytes it may grow by, and about how many events that is,
// as far as they may be recalled.
func (h *hub) ringRoom() (floor uint64, room int, most uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	each := 1 << 10
	if n := len(h.ring.all()); n > 0 {
		each = h.ring.bytes / n
	}
	room = h.ring.limit - h.ring.bytes
	return h.ring.floor, room, uint64(min(room/each, maxFill))
}

// between reads all events behind a sequence up to and including another.
func (h *hub) between(ctx context.Context, after, end uint64) ([]*abi.Event, error) {
	var events []*abi.Event
	for after < end {
		msgs, whole, err := h.history.read(ctx, reading{Seq: after + 1, Batch: int(min(end-after, readEvents))})
		if err != nil {
			return nil, err
		}
		for _, m := range msgs {
			if after = sequence(m); after > end {
				break
			}
			if e := h.history.event(m, true); !internal(e.Subject) {
				events = append(events, e)
			}
		}
		if whole && after < end {
			return events, h.history.complete(ctx, ">", after+1, end)
		}
	}
	return events, nil
}

// putBack puts events that lie behind from up to and including floor before those of the ring and of
// the filters that match. It returns false if the ring begins elsewhere by now.
func (h *hub) putBack(events []*abi.Event, from, floor uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ring.floor != floor || h.ring.bytes+bytesOf(events) > h.ring.limit {
		return false
	}
	h.ring.unpop(events)
	h.ring.bytes += bytesOf(events)
	h.ring.floor = from
	lists := map[*filter][]*abi.Event{}
	for _, e := range events {
		for _, f := range h.index.match(e.Subject) {
			lists[f] = append(lists[f], e)
		}
	}
	for _, f := range h.filters {
		f.putBack(lists[f], from)
	}
	return true
}

func bytesOf(events []*abi.Event) (n int) {
	for _, e := range events {
		n += eventBytes(e)
	}
	return n
}
