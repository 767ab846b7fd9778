package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/web/wire"
)

// viewer is a request for a stream, which it opens. What follows a channel is left to wire then, and
// the viewer is gone; a producer keeps it.
type viewer struct {
	server   *Server
	route    *route
	request  *abi.Request
	body     []byte
	who      principal
	subjects []string
	from     broker.From
	own      producer // of the admin API; nil for a route's

	entry *openStream
	ctx   context.Context // ends with the stream, or once it is left to wire; its cause says why
	out   *wire.Viewer    // what a producer fills; nil if there is none
	begin beginning
}

// beginning is where in history a stream begins. It is zero for a stream without positions.
type beginning struct {
	epoch  string     // of the ids that tell positions
	id     string     // what a viewer resumes from who is cut before the first event
	notice *abi.Event // gap or reset; nil if the stream begins where it was asked to
}

// serve opens the stream, if the node and the route have room, and answers with it, which may go on
// when serve has returned. An error means that nothing was written yet.
func (v *viewer) serve(c echo.Context) error {
	s, w, r := v.server, streamResponse{c.Response()}, c.Request()
	defer w.ending()
	if why := s.gate.why(); why != nil {
		return turnAway(w, r, why)
	}
	if err := v.enter(); err != nil {
		return err
	}
	serving := false
	defer func() {
		if !serving { // a panic comes here too
			v.entry.gone(wire.ErrLeft)
		}
	}()
	left := context.AfterFunc(r.Context(), func() { v.entry.end(wire.ErrLeft, 0) })
	out, err := v.open(w, r)
	left() // from here on wire notices it, and the request's context ends before the stream may
	if err != nil {
		return v.refused(w, r, err)
	}
	v.entry.attach(out)
	first := v.firstBytes()
	writeHead(w)
	serving = true
	if err := s.writers.Serve(w, r, out, first); err != nil {
		serving = false
		return v.refused(w, r, err)
	}
	return nil
}

// enter counts the stream among the open ones. After nil, entry.gone must follow.
func (v *viewer) enter() error {
	who := v.name()
	audience, err := v.route.limits.enter(who, v.subjects)
	if err != nil {
		return err
	}
	o := &openStream{
		streams: v.server.streams, limits: v.route.limits, who: who, audience: audience,
		tenant: v.route.tenant, free: v.who.allowed(need{scope: scopeSubscribe, subjects: v.subjects}) != nil,
	}
	if v.own == nil && v.route.revision > 0 {
		o.route = v.route.name
	}
	if v.who.token != nil {
		o.tokenID = v.who.token.ID
	}
	o.until, o.untilWhy = v.until()
	v.entry, v.ctx = o, o.begin()
	if !v.server.streams.add(o, v.server.config.Viewers) {
		o.cancel(nil)
		v.route.limits.leave(who, audience)
		return fail(http.StatusServiceUnavailable, "This node has all the streams open that it may have.").later(5)
	}
	return nil
}

// name is whom a route's limits count: a token, or an address for nobody.
func (v *viewer) name() string {
	switch {
	case v.who.token != nil:
		return "token " + v.who.token.ID
	case v.who.operator:
		return "operator"
	}
	return "address " + v.request.RemoteAddress
}

// until is when the stream ends of itself, and why; zero is never.
func (v *viewer) until() (at time.Time, why error) {
	if ms := v.route.spec.Timeout; ms > 0 {
		at, why = time.Now().Add(time.Duration(ms)*time.Millisecond), errTimeout
	}
	if expires := v.who.expires(); !expires.IsZero() {
		left := expires.Sub(v.server.broker.Now()) // from here on this node's clock may jump
		if expires := time.Now().Add(left); at.IsZero() || expires.Before(at) {
			at, why = expires, errExpired
		}
	}
	return at, why
}

// open gets all ready that the stream needs, and makes it.
func (v *viewer) open(w http.ResponseWriter, r *http.Request) (*wire.Viewer, error) {
	if err := v.recheck(); err != nil {
		return nil, err
	}
	if r.Method != http.MethodGet {
		var err error
		if v.body, err = readBody(w, r, v.route.spec.Limits.BodyBytes); err != nil {
			return nil, err
		}
	}
	if p := v.producer(); p != nil {
		return v.produce(p)
	}
	return v.follow()
}

// recheck closes the gap between the access check and the stream's entry among the open ones, from
// where on a change of the tenant ends it.
func (v *viewer) recheck() error {
	view, err := v.server.broker.View(v.ctx, v.entry.tenant)
	if err != nil {
		return err
	}
	if why := v.entry.outlived(view); why != nil {
		return outlivedProblem(why)
	}
	return nil
}

// outlivedProblem is the status for what openStream.outlived says, to a viewer who has no answer yet.
func outlivedProblem(why error) error {
	if errors.Is(why, errExpired) {
		return fail(http.StatusUnauthorized, "The token has ended, or the route is private now.")
	}
	return fail(http.StatusNotFound, "There is no route at this path.")
}

// refused answers a request whose stream could not be opened, or returns the status.
func (v *viewer) refused(w http.ResponseWriter, r *http.Request, err error) error {
	switch cause := context.Cause(v.ctx); {
	case away(err), away(cause):
		return turnAway(w, r, cause)
	case cause == nil && errors.Is(err, errEnded):
		return fail(http.StatusServiceUnavailable, "The route is just being changed.").later(1)
	case cause == nil && callbackFailed(err) && !errors.Is(err, host.ErrBusy):
		return fail(http.StatusBadGateway, "The callback did not start; its plugin's log says more.")
	case errors.Is(cause, errExpired), errors.Is(cause, errDeleted):
		return outlivedProblem(cause)
	case errors.Is(cause, errTimeout):
		return fail(http.StatusServiceUnavailable, "The stream was not open within the route's timeout.").later(1)
	}
	return err
}

// wireStream is what all streams of the route are.
func (v *viewer) wireStream() wire.Stream {
	return wire.Stream{
		KeepAlive: time.Duration(*v.route.spec.KeepAliveInterval) * time.Millisecond,
		Until:     v.entry.until, UntilWhy: v.entry.untilWhy, Ended: v.entry.gone,
	}
}

// writeHead sets the headers of a stream.
func writeHead(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
}

// firstBytes go out at once: the reconnect time, and the id that a viewer resumes from who is cut
// before the first event. Never an event but a notice; a comment if there is nothing.
func (v *viewer) firstBytes() []byte {
	var b []byte
	if ms := v.route.spec.Retry; ms > 0 {
		b = sse.AppendRetry(b, time.Duration(ms)*time.Millisecond)
	}
	switch {
	case v.begin.notice != nil:
		notice := *v.begin.notice
		notice.ID = v.begin.id // in one block, so that nobody has the id and not the notice
		b = sse.AppendEvent(b, &notice)
	case v.begin.id != "":
		b = sse.AppendID(b, v.begin.id)
	}
	if len(b) == 0 {
		b = sse.AppendComment(b, "open")
	}
	return b
}
