package web

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
)

// Why a stream is ended from this side; the cause of its context.
var (
	errTimeout = errors.New("the route's time limit passed")
	errExpired = errors.New("the token ended")
	errDeleted = errors.New("the tenant or the route was deleted")
	errDrain   = errors.New("the node drains")
	errLeft    = errors.New("the viewer left")
)

// openStream is what the server can do to a stream: end it.
type openStream struct {
	tenant  string
	route   string // "" for a stream of the admin API
	tokenID string // "" if it was opened without a tenant's token
	nobody  bool   // it was opened without any token
	end     context.CancelCauseFunc
}

// streams are the open streams of this node.
type streams struct {
	mu       sync.Mutex
	open     map[*openStream]struct{}
	draining error
	emptied  chan struct{} // closed when all are ended and none is left
}

func newStreams() *streams {
	return &streams{open: map[*openStream]struct{}{}, emptied: make(chan struct{})}
}

// add enters a stream unless most are open; after true, remove must follow. A stream that comes
// while all are being ended is ended.
func (ss *streams) add(o *openStream, most int) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if len(ss.open) >= most {
		return false
	}
	ss.open[o] = struct{}{}
	if ss.draining != nil {
		o.end(ss.draining)
	}
	return true
}

func (ss *streams) remove(o *openStream) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.open, o)
	ss.tellEmpty()
}

func (ss *streams) tellEmpty() {
	if ss.draining == nil || len(ss.open) > 0 {
		return
	}
	select {
	case <-ss.emptied:
	default:
		close(ss.emptied)
	}
}

func (ss *streams) count() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return len(ss.open)
}

// endAll ends every stream, now and to come, evenly spread over a time. It does not wait; emptied
// tells when the last is gone.
func (ss *streams) endAll(why error, over time.Duration) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.draining = why
	defer ss.tellEmpty()
	for o := range ss.open {
		if over <= 0 {
			o.end(why)
			continue
		}
		time.AfterFunc(rand.N(over), func() { o.end(why) })
	}
}

// recheck ends the streams of a tenant that is gone (view nil), of its routes that are gone, and
// those that could not be opened any more.
func (ss *streams) recheck(tenant string, view *broker.View) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for o := range ss.open {
		if o.tenant != tenant {
			continue
		}
		if why := o.outlived(view); why != nil {
			o.end(why)
		}
	}
}

// outlived is why a stream must end by what the registry knows now, or nil.
func (o *openStream) outlived(view *broker.View) error {
	if view == nil {
		return errDeleted
	}
	if _, ok := view.Tokens[o.tokenID]; o.tokenID != "" && !ok {
		return errExpired
	}
	if o.route == "" {
		return nil
	}
	r, ok := view.Routes[o.route]
	switch {
	case !ok:
		return errDeleted
	case o.nobody && !r.Revisions[0].Access.Public:
		return errExpired
	}
	return nil
}
