package cluster

import (
	"slices"
	"time"
)

// Members is which nodes live, as one node sees it. Each node says several times within the term that
// it does, with a count that grows: the revision of a record that all watch, or that of a message. One
// whose count has not grown for the term is taken for dead. Times are the observer's own: nobody's age
// is told by another's clock, so clocks may be wrong. They should carry Go's monotonic reading.
//
// A Members is for one goroutine.
type Members struct {
	term time.Duration
	seen map[string]sighting
}

type sighting struct {
	count uint64
	at    time.Time
}

// NewMembers returns a view without nodes.
func NewMembers(term time.Duration) *Members {
	return &Members{term, map[string]sighting{}}
}

// Saw notes what node said. Only a count that has grown is a sign of life, and the first that is seen
// at all: what died before the observer started is dead after a term.
func (m *Members) Saw(node string, count uint64, now time.Time) {
	if last, ok := m.seen[node]; !ok || count > last.count {
		m.seen[node] = sighting{count, now}
	}
}

// Left notes that node has said that it ends: its work is free at once.
func (m *Members) Left(node string) { delete(m.seen, node) }

// Live returns the nodes that live, sorted.
func (m *Members) Live(now time.Time) []string {
	var nodes []string
	for node, s := range m.seen {
		if now.Sub(s.at) < m.term {
			nodes = append(nodes, node)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// Lease is a node's own right to act as a member. Of two counts of one term the holder's ends first:
// it starts when a renewal is sent, that of others when they see it, which is later. So no node acts
// that is taken for dead, but for one moment: when a lease that had run out is renewed, and others have
// not heard of it yet. The zero Lease was never granted.
type Lease struct{ until time.Time }

// Renew notes that a renewal which was sent at a time has arrived: it is stored, or most of the others
// have answered it. For one whose outcome is not known there is no call. The lease then lasts for the
// term, less a quarter, from sent.
func (l *Lease) Renew(sent time.Time, term time.Duration) {
	if until := sent.Add(term - term/4); until.After(l.until) {
		l.until = until
	}
}

// Left is how long the node may go on; not positive once it has to stop.
func (l *Lease) Left(now time.Time) time.Duration { return l.until.Sub(now) }
