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
	errDeleted = errors.New("the tenant was deleted")
	errDrain   = errors.New("the node drains")
	errLeft    = errors.New("the viewer left")
)

// openStream is what the server can do to a stream: end it.
type openStream struct {
	tenant  string
	tokenID string // "" if it was opened without a tenant's token
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

// add enters a stream; remove must follow. A stream that comes while all are being ended is ended.
func (ss *streams) add(o *openStream) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.open[o] = struct{}{}
	if ss.draining != nil {
		o.end(ss.draining)
	}
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

// recheck ends the streams of a tenant that is gone (view nil) and those whose token is gone.
func (ss *streams) recheck(tenant string, view *broker.View) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for o := range ss.open {
		if o.tenant != tenant {
			continue
		}
		if view == nil {
			o.end(errDeleted)
		} else if _, ok := view.Tokens[o.tokenID]; o.tokenID != "" && !ok {
			o.end(errExpired)
		}
	}
}
