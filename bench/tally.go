package bench

import "sync/atomic"

// tally is what a crew's viewers saw. Only the crew writes it; delivered and last may be read at any
// time, all else once the crew has ended.
type tally struct {
	delivered atomic.Int64 // events, each once a viewer
	last      atomic.Int64 // when the latest came

	repeated, late int64
	bytes          int64
	cut            int64 // viewers that did not last
	cutBy          error
	resumed        int64      // connections after a viewer's first
	latency        *latencies // of each delivery
	completed      *latencies // of each viewer, until it had all that it had missed
}

func newTally() *tally { return &tally{latency: newLatencies(), completed: newLatencies()} }

// add adds what other saw.
func (t *tally) add(other *tally) {
	t.delivered.Add(other.delivered.Load())
	t.last.Store(max(t.last.Load(), other.last.Load()))
	t.repeated += other.repeated
	t.late += other.late
	t.bytes += other.bytes
	t.cut += other.cut
	t.resumed += other.resumed
	if t.cutBy == nil {
		t.cutBy = other.cutBy
	}
	t.latency.add(other.latency)
	t.completed.add(other.completed)
}
