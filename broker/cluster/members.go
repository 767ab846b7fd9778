package cluster

import (
	"slices"
	"time"
)

// Members is which nodes live, as one node sees it. Each node keeps a record for all to watch, and
// writes it anew several times within the term; one whose record has not changed for the term is
// taken for dead. Times are the observer's own: a record's age is never told by another's clock, so
// clocks may be wrong. They should carry Go's monotonic reading.
//
// A Members is for one goroutine.
type Members struct {
	term time.Duration
	seen map[string]sighting
}

type sighting struct {
	revision uint64
	at       time.Time
}

// NewMembers returns a view without nodes.
func NewMembers(term time.Duration) *Members {
	return &Members{term, map[string]sighting{}}
}

// Saw notes that node's record has a revision. Only one that has grown since is a sign of life, and
// the first that is seen at all: what died before the observer started is dead after a term.
func (m *Members) Saw(node string, revision uint64, now time.Time) {
	if last, ok := m.seen[node]; !ok || revision > last.revision {
		m.seen[node] = sighting{revision, now}
	}
}

// Left notes that node has taken its record back: its work is free at once.
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

// Next is how long Live stays as it is if no record changes; ok is false if that is for ever.
func (m *Members) Next(now time.Time) (in time.Duration, ok bool) {
	for _, s := range m.seen {
		if left := m.term - now.Sub(s.at); left > 0 && (!ok || left < in) {
			in, ok = left, true
		}
	}
	return in, ok
}

// Lease is a node's own right to act as a member. Of two counts of one term the holder's ends first:
// it starts when a renewal is sent, that of others when they see it stored, which is later. So no
// node acts that is taken for dead, but for one moment: when a lease that had run out is renewed, and
// others have not heard of it yet. The zero Lease was never granted.
type Lease struct{ until time.Time }

// Renew notes that a renewal which was sent at a time has been stored. For one whose outcome is not
// known there is no call. The lease then lasts for the term, less a quarter, from sent.
func (l *Lease) Renew(sent time.Time, term time.Duration) {
	if until := sent.Add(term - term/4); until.After(l.until) {
		l.until = until
	}
}

// Left is how long the node may go on; not positive once it has to stop.
func (l *Lease) Left(now time.Time) time.Duration { return l.until.Sub(now) }
