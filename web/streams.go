package web

import (
	"context"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/web/wire"
)

// openStream is what a stream that is open, or being opened, counts for, and how to end it.
type openStream struct {
	streams  *streams
	limits   *limiter
	who      string // whom the limits count
	audience *audience
	tenant   string
	route    string // "" for a stream of the admin API
	tokenID  string // "" if it was opened without a tenant's token
	free     bool   // it would not be open if its route were private
	until    time.Time
	untilWhy error
	leave    func() // of its channel; nil if it follows none

	mu     sync.Mutex
	cancel context.CancelCauseFunc // ends what the viewer began; nil once there is nothing
	why    error                   // it was ended
	out    *wire.Viewer            // nil while it is being opened
}

// begin is the context of what the stream needs on this side.
func (o *openStream) begin() context.Context {
	if o.until.IsZero() {
		ctx, cancel := context.WithCancelCause(context.Background())
		o.cancel = cancel
		return ctx
	}
	ctx, stop := context.WithDeadlineCause(context.Background(), o.until, o.untilWhy)
	ctx, cancel := context.WithCancelCause(ctx)
	o.cancel = func(why error) {
		cancel(why)
		stop()
	}
	return ctx
}

// attach gives the stream its viewer. If the stream was ended before, that ends at once.
func (o *openStream) attach(out *wire.Viewer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.out = out
	if o.leave != nil { // all that is left is wire's
		o.cancel(nil)
		o.cancel = nil
	}
	if o.why != nil {
		out.End(o.why)
	}
}

// end ends the stream at a random moment within a time; one that is being opened, and what fills a
// stream of its own, at once.
func (o *openStream) end(why error, within time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.why == nil {
		o.why = why
	}
	if o.cancel != nil {
		o.cancel(why)
	}
	if o.out != nil {
		o.out.EndWithin(why, within)
	}
}

// gone lets go of all that the stream took. It is called once.
func (o *openStream) gone(why error) {
	if why == nil {
		why = wire.ErrEnded
	}
	o.mu.Lock()
	if o.cancel != nil {
		o.cancel(why)
	}
	o.mu.Unlock()
	if o.leave != nil {
		o.leave()
	}
	o.limits.leave(o.who, o.audience)
	o.streams.remove(o)
}

func (o *openStream) opening() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out == nil
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
	case o.free && !r.Revisions[0].Access.Public:
		return errExpired
	}
	return nil
}

// streams are the open streams of this node.
type streams struct {
	mu      sync.Mutex
	open    map[*openStream]struct{}
	refused error // why none may be opened now
}

func newStreams() *streams { return &streams{open: map[*openStream]struct{}{}} }

// add enters a stream unless most are open; after true, remove must follow. A stream that comes
// after refuse is ended.
func (ss *streams) add(o *openStream, most int) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if len(ss.open) >= most {
		return false
	}
	ss.open[o] = struct{}{}
	if ss.refused != nil {
		o.end(ss.refused, 0)
	}
	return true
}

func (ss *streams) remove(o *openStream) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.open, o)
}

func (ss *streams) count() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return len(ss.open)
}

// refuse ends the streams that are being opened, and those who come; with nil they may come again.
func (ss *streams) refuse(why error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.refused = why
	if why == nil {
		return
	}
	for o := range ss.open {
		if o.opening() {
			o.end(why, 0)
		}
	}
}

// recheck ends the streams of a tenant's routes that are gone, and those that could not be opened
// any more. Those of a tenant that is gone (view nil) end within a time.
func (ss *streams) recheck(tenant string, view *broker.View, within time.Duration) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if view != nil {
		within = 0
	}
	for o := range ss.open {
		if o.tenant != tenant {
			continue
		}
		if why := o.outlived(view); why != nil {
			o.end(why, within)
		}
	}
}
