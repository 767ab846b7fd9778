package broker

import (
	"slices"

	"github.com/millrace/millrace/abi"
)

// queue is a list of events in order that grows at one end and shrinks at the other. It holds on to
// nothing that was taken off.
type queue struct {
	events []*abi.Event
	head   int // index of the first; those before it are nil
}

func (q *queue) push(e *abi.Event) { q.events = append(q.events, e) }

// all returns the events; the slice is good until the next change.
func (q *queue) all() []*abi.Event { return q.events[q.head:] }

// after returns those later than seq; the slice is good until the next change.
func (q *queue) after(seq uint64) []*abi.Event {
	events := q.all()
	if len(events) == 0 || events[len(events)-1].Seq <= seq {
		return nil
	}
	i, _ := slices.BinarySearchFunc(events, seq+1, func(e *abi.Event, seq uint64) int {
		if e.Seq < seq {
			return -1
		}
		return int(min(e.Seq-seq, 1))
	})
	return events[i:]
}

// unpop puts events before the first.
func (q *queue) unpop(events []*abi.Event) { q.events, q.head = slices.Concat(events, q.all()), 0 }

// pop takes the first off; the queue must not be empty.
func (q *queue) pop() *abi.Event {
	e := q.events[q.head]
	q.events[q.head] = nil
	q.head++
	switch {
	case q.head == len(q.events):
		q.events, q.head = nil, 0
	case q.head > 32 && q.head > len(q.events)/2:
		q.events, q.head = slices.Clone(q.all()), 0
	}
	return e
}

// ring is the recent events of one tenant, as many as fit into limit bytes.
type ring struct {
	queue
	limit, bytes int
	floor        uint64 // all events of the history after it, up to the newest, are in the ring
}

// eventOverhead is what an event costs in memory beside its strings, about.
const eventOverhead = 192

func eventBytes(e *abi.Event) int {
	return eventOverhead + len(e.Data) + len(e.Name) + len(e.ID) + len(e.Subject)
}

// add appends e, and calls evicted for each event that had to make room, e itself if it is too big.
func (r *ring) add(e *abi.Event, evicted func(*abi.Event)) {
	r.push(e)
	r.bytes += eventBytes(e)
	for r.bytes > r.limit {
		old := r.pop()
		r.bytes -= eventBytes(old)
		r.floor = old.Seq
		evicted(old)
	}
}

// reset empties the ring; what follows seq will be in it.
func (r *ring) reset(seq uint64) {
	r.queue, r.bytes, r.floor = queue{}, 0, seq
}
