package web

import (
	"context"
	"sync"
	"time"
)

// gate is whether this node takes viewers. It closes when the node drains, since it ends or since an
// operator wants it to, and while it is apart from the other nodes: then the viewers that are there end
// too, and are told to come back, to another node.
type gate struct {
	server *Server

	mu       sync.Mutex
	stopping bool // for good
	drained  bool // at an operator's word
	apart    bool
}

// apartOver is over how long viewers end of a node that is apart. They get nothing here; but the others
// shall not get all of them in one moment.
const apartOver = 2 * time.Second

// why is why the node takes no viewers, nil if it does.
func (g *gate) why() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reason()
}

func (g *gate) reason() error {
	switch {
	case g.stopping, g.drained:
		return errDrain
	case g.apart:
		return errApart
	}
	return nil
}

// draining tells whether the node drains.
func (g *gate) draining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopping || g.drained
}

// stop closes the gate for good. To end the viewers is the caller's.
func (g *gate) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopping = true
	g.server.streams.refuse(errDrain)
	g.server.broker.Rest(true)
}

// drain closes the gate until it is called with false. The node's sources go on elsewhere meanwhile.
func (g *gate) drain(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping || g.drained == on {
		return
	}
	s := g.server
	if g.drained = on; on {
		s.log.Info("draining at an operator's word", "viewers", s.streams.count(), "over", s.config.Drain)
		g.shut(errDrain, s.config.Drain)
	} else {
		s.log.Info("drains no more")
		s.streams.refuse(g.reason())
	}
	s.broker.Rest(on)
}

// follow closes and opens the gate as the node loses and finds the others, until ctx ends.
func (g *gate) follow(ctx context.Context) {
	tick := time.NewTicker(min(max(g.server.config.Apart/4, 10*time.Millisecond), time.Second))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.setApart(g.server.broker.Apart() >= g.server.config.Apart)
		case <-ctx.Done():
			return
		}
	}
}

func (g *gate) setApart(apart bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.apart == apart {
		return
	}
	s := g.server
	if g.apart = apart; apart {
		s.log.Warn("node is without most of the others; its viewers are sent elsewhere", "viewers", s.streams.count())
		g.shut(errApart, apartOver)
	} else {
		s.log.Info("node is with the others again")
		s.streams.refuse(g.reason())
	}
}

// shut ends the viewers that are there over a time, and refuses others.
func (g *gate) shut(why error, over time.Duration) {
	g.server.streams.refuse(g.reason())
	g.server.writers.End("", why, over)
}
