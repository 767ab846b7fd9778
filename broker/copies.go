package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// How often a node looks whether its copies are current: after it came back, and afterwards.
const (
	copiesLook = 250 * time.Millisecond
	copiesRest = 10 * time.Second
)

// copies watches whether what a node keeps a copy of is what the others have. A node that came back,
// from a restart or from being cut off, is behind until each of its copies was current once. After
// that a copy may be without a leader for a moment, as in any election: the node serves nevertheless.
//
// Whoever restarts nodes one by one has to wait for it. A second node that goes while the first is
// still catching up takes the majority of a stream's copies with it.
type copies struct {
	look func() (map[streamID]string, error) // what is not current, and why

	came chan struct{} // cap 1: the node is among the others again

	mu     sync.Mutex
	with   bool // the node is among the others
	left   int  // copies that are not current
	behind error
}

// streamID is a stream of an account, by the account's public key.
type streamID struct{ account, stream string }

func newCopies(look func() (map[streamID]string, error)) *copies {
	return &copies{
		look: look, came: make(chan struct{}, 1), with: true,
		behind: fmt.Errorf("%w: it was not looked yet", ErrBehind),
	}
}

// run looks until ctx ends: until all is current, and again each time that the node came back. In
// between it only counts: a copy that was given to this node anew does not keep it from serving.
func (c *copies) run(ctx context.Context) {
	c.catchUp(ctx)
	tick := time.NewTicker(copiesRest)
	defer tick.Stop()
	for {
		select {
		case <-c.came:
			c.catchUp(ctx)
		case <-tick.C:
			if late, err := c.look(); err == nil {
				c.mu.Lock()
				c.left = len(late)
				c.mu.Unlock()
			}
		case <-ctx.Done():
			return
		}
	}
}

// catchUp returns once each copy was current, or ctx ended.
func (c *copies) catchUp(ctx context.Context) {
	tick := time.NewTicker(copiesLook)
	defer tick.Stop()
	var left map[streamID]string // nil before the first look
	for {
		late, err := c.look()
		if err == nil {
			left = remaining(left, late)
		}
		if c.note(left, err) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// remaining are those of left that are late still. One that was current once is done, or with many
// tenants there would always be another.
func remaining(left, late map[streamID]string) map[streamID]string {
	if left == nil {
		return late
	}
	maps.DeleteFunc(left, func(s streamID, _ string) bool { _, still := late[s]; return !still })
	return left
}

// note keeps what a look has found; true if there is nothing left to look for.
func (c *copies) note(left map[streamID]string, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = len(left)
	switch {
	case err != nil:
		c.behind = fmt.Errorf("%w: %w", ErrBehind, err)
	case len(left) > 0:
		c.behind = fmt.Errorf("%w: %d of them, such as %s", ErrBehind, len(left), anyOf(left))
	case c.with:
		c.behind = nil
		return true
	}
	return false
}

func anyOf(left map[streamID]string) (why string) {
	for _, w := range left {
		if why == "" || w < why {
			why = w
		}
	}
	return why
}

// follow is told whether the node is among most of the others. One that was not has missed something.
func (c *copies) follow(with bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if with == c.with {
		return
	}
	if c.with = with; !with {
		c.behind = fmt.Errorf("%w: the node is without most of the others", ErrUnavailable)
		return
	}
	select {
	case c.came <- struct{}{}:
	default:
	}
}

// count is how many copies are not current, as of the last look.
func (c *copies) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}

// err is why the copies are not current, nil once they are: ErrBehind, or ErrUnavailable while the node
// cannot know.
func (c *copies) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.behind
}

// late are the copies on this node that are not what their leaders have, or have no leader. The error
// is for a node that does not know.
func (n *node) late() (map[streamID]string, error) {
	late := map[streamID]string{}
	for _, e := range n.server.Healthz(&server.HealthzOptions{Details: true}).Errors {
		switch e.Type {
		case server.HealthzErrorStream:
			late[streamID{e.Account, e.Stream}] = e.Error
		case server.HealthzErrorConsumer: // made anew by whoever reads
		default:
			return nil, errors.New(e.Error)
		}
	}
	// Without a leader a copy that lags passes for healthy.
	all, err := n.streams()
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if s.leader == "" {
			late[s.streamID] = fmt.Sprintf("stream '%s > %s' has no leader", s.account, s.stream)
		}
	}
	return late, nil
}
