package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
)

// viewer is one open SSE connection. One goroutine produces frames into its outbox; the handler's
// own goroutine, which owns the response, writes them.
type viewer struct {
	server   *Server
	w        http.ResponseWriter
	r        *http.Request
	route    *route
	request  *abi.Request
	body     []byte
	who      principal
	subjects []string
	from     broker.From
	own      producer // of the admin API; nil for a route's

	ctx   context.Context // ends with the stream; its cause says why
	end   context.CancelCauseFunc
	out   *outbox
	nudge chan struct{} // cap 1: the producer is to look again how far it is
	begin beginning
}

// beginning is where in history a stream begins. It is zero for a stream without positions.
type beginning struct {
	epoch  string     // of the ids that tell positions
	id     string     // what a viewer resumes from who is cut before the first event
	notice *abi.Event // gap or reset; nil if the stream begins where it was asked to
}

// producer is what fills a viewer's outbox.
type producer interface {
	// open gets ready, and may put first frames. An error becomes the response's status.
	open(v *viewer) error
	// run produces until the stream ends; it is called once, after open succeeded. It returns nil
	// when the stream is complete.
	run(v *viewer) error
}

// serve opens the stream, if the node and the route have room, and writes until it ends. An error
// means that nothing was written yet.
func (v *viewer) serve() error {
	s := v.server
	if s.draining.Load() {
		return v.turnAway()
	}
	who := v.name()
	if err := v.route.limits.enter(who); err != nil {
		return err
	}
	defer v.route.limits.leave(who)
	return v.stream()
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

func (v *viewer) stream() error {
	s := v.server
	release := v.prepare()
	defer release()
	o := v.entry()
	if !s.streams.add(o, s.config.Viewers) {
		return fail(http.StatusServiceUnavailable, "This node has all the streams open that it may have.").later(5)
	}
	defer s.streams.remove(o)
	if err := v.recheck(o); err != nil {
		return err
	}
	if err := v.readBody(); err != nil {
		return err
	}

	p := v.producer()
	if err := p.open(v); err != nil {
		return v.refused(err)
	}
	first := v.firstBytes()
	s.guests.Go(func() {
		v.finish(p.run(v))
	})
	v.write(first)
	return nil
}

// entry is the stream among the open ones.
func (v *viewer) entry() *openStream {
	o := &openStream{tenant: v.route.tenant, nobody: v.request.Principal == nil, end: v.end}
	if v.own == nil && v.route.revision > 0 {
		o.route = v.route.name
	}
	if v.who.token != nil {
		o.tokenID = v.who.token.ID
	}
	return o
}

// readBody reads the request's body, which a GET has none of.
func (v *viewer) readBody() (err error) {
	if v.r.Method != http.MethodGet {
		v.body, err = readBody(v.w, v.r, v.route.spec.Limits.BodyBytes)
	}
	return err
}

// recheck closes the gap between the access check and the stream's entry among the open ones, from
// where on a change of the tenant ends it.
func (v *viewer) recheck(o *openStream) error {
	view, err := v.server.broker.View(v.ctx, o.tenant)
	if err != nil {
		return err
	}
	if why := o.outlived(view); why != nil {
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

// prepare gives the stream its context, with the ends that are known ahead, and its outbox.
func (v *viewer) prepare() (release func()) {
	ctx, end := context.WithCancelCause(v.r.Context())
	v.ctx, v.end = ctx, end
	cancels := []context.CancelFunc{func() { end(errLeft) }}
	if ms := v.route.spec.Timeout; ms > 0 {
		var cancel context.CancelFunc
		v.ctx, cancel = context.WithTimeoutCause(v.ctx, time.Duration(ms)*time.Millisecond, errTimeout)
		cancels = append(cancels, cancel)
	}
	if at := v.who.expires(); !at.IsZero() {
		var cancel context.CancelFunc
		v.ctx, cancel = context.WithDeadlineCause(v.ctx, at, errExpired)
		cancels = append(cancels, cancel)
	}
	bound := v.server.config.QueueBytes
	v.nudge = make(chan struct{}, 1)
	// A callback that is not async waits for its viewer at every send.
	v.out = newOutbox(bound, v.route.kind == abi.OnStream && !v.route.spec.Async)
	return func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}

func (v *viewer) producer() producer {
	switch {
	case v.own != nil:
		return v.own
	case v.route.kind == abi.OnStream:
		return &guestProducer{}
	case v.route.kind == abi.OnEvent && v.route.spec.Scope == "viewer":
		return &ownTail{}
	}
	return &sharedTail{}
}

// refused is the status for a stream that could not be opened.
func (v *viewer) refused(err error) error {
	switch cause := context.Cause(v.ctx); {
	case cause == nil && errors.Is(err, errEnded):
		return fail(http.StatusServiceUnavailable, "The route is just being changed.").later(1)
	case cause == nil && callbackFailed(err) && !errors.Is(err, host.ErrBusy):
		return fail(http.StatusBadGateway, "The callback did not start; its plugin's log says more.")
	case errors.Is(cause, errDrain):
		return v.turnAway()
	case errors.Is(cause, errExpired), errors.Is(cause, errDeleted):
		return outlivedProblem(cause)
	case errors.Is(cause, errTimeout):
		return fail(http.StatusServiceUnavailable, "The stream was not open within the route's timeout.").later(1)
	}
	return err
}

// finish tells the writer that the producer has ended, with an error event if a callback failed. A
// producer that ended because the stream did has nothing to tell: the writer has last words of its
// own then.
func (v *viewer) finish(err error) {
	if v.ctx.Err() != nil {
		return
	}
	if callbackFailed(err) {
		e := errorEvent(err)
		_ = v.send(&e) // a viewer that left needs no error
	}
	v.out.close()
}

// send puts one event into the outbox as it is.
func (v *viewer) send(e *abi.Event) error {
	return v.out.put(v.ctx, 1, 0, func(b []byte) []byte { return sse.AppendEvent(b, e) })
}

// write owns the response: headers, frames as they come, keep-alives, and the last words.
func (v *viewer) write(first []byte) {
	defer v.out.fail()
	v.writeHeader()
	rc := http.NewResponseController(v.w)
	if v.flush(rc, first) != nil {
		return
	}
	var tick <-chan time.Time
	if ms := *v.route.spec.KeepAliveInterval; ms > 0 {
		ticker := time.NewTicker(time.Duration(ms) * time.Millisecond)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-v.out.ready:
			if ended, err := v.drain(rc); ended || err != nil {
				return
			}
		case <-tick:
			if v.flush(rc, v.keepAlive()) != nil {
				return
			}
			select {
			case v.nudge <- struct{}{}:
			default:
			}
		case <-v.ctx.Done():
			v.lastWords(rc, context.Cause(v.ctx))
			return
		}
	}
}

func (v *viewer) writeHeader() {
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
	v.w.WriteHeader(http.StatusOK)
}

// drain writes all that waits.
func (v *viewer) drain(rc *http.ResponseController) (ended bool, err error) {
	b, frames, ended := v.out.take()
	if len(b) > 0 {
		err = v.flush(rc, b)
		v.out.wrote(b, err)
		v.server.delivered.Add(frames)
	}
	return ended, err
}

// flush writes b and sends it on its way. A viewer that does not take it in time is cut.
func (v *viewer) flush(rc *http.ResponseController, b []byte) error {
	_ = rc.SetWriteDeadline(time.Now().Add(v.server.config.WriteTimeout)) // a connection that has none fails at the write
	if _, err := v.w.Write(b); err != nil {
		return err
	}
	return rc.Flush()
}

// firstBytes go out at once: the reconnect time, and the id that a viewer resumes from who is cut
// before the first event. Never an event; a comment if there is neither.
func (v *viewer) firstBytes() []byte {
	var b []byte
	if ms := v.route.spec.Retry; ms > 0 {
		b = sse.AppendRetry(b, time.Duration(ms)*time.Millisecond)
	}
	if v.begin.id != "" {
		b = sse.AppendID(b, v.begin.id)
	}
	if v.begin.notice != nil {
		b = sse.AppendEvent(b, v.begin.notice)
	}
	if len(b) == 0 {
		b = sse.AppendComment(b, "open")
	}
	return b
}

// keepAlive is a comment, or the viewer's position if that has moved without an event to tell it.
func (v *viewer) keepAlive() []byte {
	if seq, ok := v.out.untold(); ok {
		return sse.AppendID(nil, broker.Position{Epoch: v.begin.epoch, Seq: seq}.String())
	}
	return sse.AppendComment(nil, "keep-alive")
}

// lastWords ends a stream from this side: what waits goes out, and then why, where a viewer should
// know.
func (v *viewer) lastWords(rc *http.ResponseController, why error) {
	if errors.Is(why, errTimeout) || errors.Is(why, errExpired) || errors.Is(why, errDrain) {
		if _, err := v.drain(rc); err != nil {
			return
		}
	}
	switch {
	case errors.Is(why, errExpired):
		_ = v.flush(rc, sse.AppendEvent(nil, &abi.Event{Name: "expired", Data: "{}"}))
	case errors.Is(why, errDrain):
		_ = v.flush(rc, sse.AppendRetry(nil, comeBack()))
	}
}
