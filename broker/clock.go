package broker

import (
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// Leases and all that is waited for go by the monotonic clock, so that a node whose wall clock jumps
// loses nothing of them. What is left to the wall clock is what users name by date: when a token ends.
// For that a node holds its own clock against those of the others.

const (
	timeHeader = "Time"      // of an answer to a beat: the wall clock of who answers, in Unix nanoseconds
	clockSlack = time.Second // by how much a clock may be off before most of the others are believed more
)

// clocks are the differences of the other nodes' wall clocks from this one's. They are for one goroutine.
type clocks map[string]time.Duration

// saw notes the clock of a node that was asked at sent and has just answered with m.
func (c clocks) saw(node string, m *nats.Msg, sent time.Time) {
	theirs, err := strconv.ParseInt(m.Header.Get(timeHeader), 10, 64)
	if err != nil {
		return
	}
	way := time.Since(sent) // there and back
	c[node] = time.Unix(0, theirs).Sub(time.Now().Round(0).Add(-way / 2))
}

// offset is by how much most clocks of the nodes that live are ahead of self's, among them its own.
func (c clocks) offset(self string, live []string) time.Duration {
	all := []time.Duration{0}
	for _, node := range live {
		if d, ok := c[node]; ok && node != self {
			all = append(all, d)
		}
	}
	slices.Sort(all)
	low, high := all[(len(all)-1)/2], all[len(all)/2]
	if low.Abs() < high.Abs() { // of two in the middle, its own word counts more
		return low
	}
	return high
}

// ClockOffset is by how much most nodes' wall clocks are ahead of this one's, as far as it has heard. A
// node that is alone, or keeps no data, hears of none.
func (b *Broker) ClockOffset() time.Duration {
	if !b.isReady() || b.members == nil {
		return 0
	}
	b.members.mu.Lock()
	defer b.members.mu.Unlock()
	return b.members.offset
}

// Now is the wall clock as most nodes have it.
func (b *Broker) Now() time.Time {
	if offset := b.ClockOffset(); offset.Abs() > clockSlack {
		return time.Now().Round(0).Add(offset)
	}
	return time.Now()
}
