package broker

import (
	"sync/atomic"
	"time"
)

// Stats is what a Broker has done since it started, and what it holds now.
type Stats struct {
	Published     uint64 // events stored by this node
	Replayed      uint64 // events read from history for subscriptions
	Reads         uint64 // readings of history
	Gaps          uint64 // times that a hub missed live events
	Filled        uint64 // events that hubs read from history for that
	Tenants       int64  // in the registry
	Links         int64  // tenants with a connection now
	Hubs          int64  // running now
	Subscriptions int64  // open now
	Nodes         int64  // of the cluster, that live as far as this one sees; 1 for one that is alone
	Held          int64  // keys that this node holds, such as those of its sources
	Behind        int64  // copies on this node that are not current

	// Of the hub that is the furthest behind what it knows to be stored.
	LagEvents uint64
	Lag       time.Duration // for how long it has been behind
}

type counts struct {
	published, replayed, reads, gaps, filled atomic.Uint64
	hubs, subscriptions                      atomic.Int64
}

// Stats returns a snapshot.
func (b *Broker) Stats() Stats {
	c := &b.counts
	b.mu.Lock()
	links, held := len(b.links), len(b.held)
	b.mu.Unlock()
	lagEvents, lag := b.lags()
	return Stats{
		Published: c.published.Load(), Replayed: c.replayed.Load(), Reads: c.reads.Load(),
		Gaps: c.gaps.Load(), Filled: c.filled.Load(), Tenants: int64(len(b.Views())), Links: int64(links),
		Hubs: c.hubs.Load(), Subscriptions: c.subscriptions.Load(),
		Nodes: b.liveNodes(), Held: int64(held), Behind: b.behind(), LagEvents: lagEvents, Lag: lag,
	}
}

// behind is how many copies are not current yet.
func (b *Broker) behind() int64 {
	if !b.isReady() || b.copies == nil {
		return 0
	}
	return int64(b.copies.count())
}

// liveNodes is how many nodes live, 0 before the broker is ready.
func (b *Broker) liveNodes() int64 {
	if !b.isReady() {
		return 0
	}
	if b.members == nil {
		return 1
	}
	return int64(b.members.count())
}
