package web

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
)

// guestProducer runs an onStream callback for one viewer. It is the callback's emitter, too: its
// methods are called by the callback only, one at a time.
type guestProducer struct {
	v       *viewer
	sub     *broker.Subscription // nil if the route has no subjects
	waiting []*abi.Event         // received from sub, not yet by the callback
	answers broker.Position      // the event that the callback received last, and how often it has sent since; zero once it waits for the next
	had     broker.Position      // what the viewer had when it came: outputs up to this one are not sent again
	own     bool                 // the callback sets ids itself
	started chan error           // one value: nil once the callback runs, or why it does not
	result  chan error           // one value: how it ended
}

func (p *guestProducer) open(v *viewer) error {
	p.v, p.started, p.result = v, make(chan error, 1), make(chan error, 1)
	if !v.route.callback.hold() {
		return errEnded
	}
	if err := p.subscribe(); err != nil {
		v.route.callback.drop()
		return err
	}
	sess := v.server.session(v.route, *v.request, v.body)
	sess.Emitter = p
	sess.Started = func() { p.started <- nil }
	v.server.guests.Go(func() {
		defer v.route.callback.drop()
		err := v.route.callback.plugin.Stream(v.ctx, sess)
		if err != nil && (v.ctx.Err() == nil || callbackFailed(err)) {
			sess.Log(levelError, failureText("onStream failed", err))
		}
		if p.sub != nil {
			p.sub.Close()
		}
		p.result <- err
		select {
		case p.started <- err:
		default: // it had started
		}
	})
	return <-p.started
}

// subscribe attaches to the route's subjects where the viewer resumes. An id that is no position is
// the callback's own and for it to understand; then the input is live.
func (p *guestProducer) subscribe() error {
	v := p.v
	if len(v.subjects) == 0 {
		return nil
	}
	var err error
	var ok bool
	if p.had, ok = broker.ParsePosition(v.from.After); v.from.After != "" && !ok {
		v.from = broker.From{}
	}
	if p.sub, v.begin, err = v.subscribe(); err != nil {
		return err
	}
	return nil
}

func (p *guestProducer) run(v *viewer) error {
	err := <-p.result
	if errors.Is(err, abi.Closed) {
		return nil
	}
	return err
}

// Send gives one event to the viewer. What the callback sends between receiving an event and waiting
// for the next is numbered as outputs of that event, so that a viewer who is cut between two of them
// comes back to the second: the callback then receives the event again, and what the viewer has is
// left out.
func (p *guestProducer) Send(e abi.Event) error {
	if e.ID != "" {
		p.own = true
	} else if !p.own && p.answers.Seq > 0 {
		p.answers.Output++
		if p.answers.Epoch == p.had.Epoch && p.answers.Seq == p.had.Seq && p.answers.Output <= p.had.Output {
			return nil
		}
		e.ID = p.answers.String()
	}
	return closed(p.v.send(&e))
}

// Comment gives one comment to the viewer.
func (p *guestProducer) Comment(text string) error {
	return closed(p.v.out.Put(p.v.ctx, 0, 0, func(b []byte) []byte { return sse.AppendComment(b, text) }))
}

// Close ends the stream after what was sent.
func (p *guestProducer) Close() { p.v.out.Close() }

// Receive gives the next event of the route's subjects.
func (p *guestProducer) Receive(ctx context.Context) (*abi.Event, error) {
	if p.sub == nil {
		return nil, abi.Unavailable
	}
	p.answers = broker.Position{}
	for len(p.waiting) == 0 {
		events, _, err := p.sub.Next(ctx)
		switch {
		case err == nil:
			p.waiting = events
		case p.v.ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			return nil, abi.Timeout
		default:
			return nil, closed(err)
		}
	}
	e := p.waiting[0]
	p.waiting = p.waiting[1:]
	p.answers, _ = broker.ParsePosition(e.ID)
	return e, nil
}

// closed is abi.Closed for any error: whatever stopped a stream, to its callback it has ended.
func closed(err error) error {
	if err != nil {
		return abi.Closed
	}
	return nil
}

// services are a tenant's, as its callbacks may use them.
type services struct {
	broker *broker.Broker
	tenant string
}

// Publish stores an event on one of the tenant's subjects. An id makes it repeatable.
func (s services) Publish(ctx context.Context, subject string, e abi.Event) error {
	_, err := s.broker.Publish(ctx, s.tenant, broker.Publication{Subject: subject, Data: e.Data, Name: e.Name, Key: e.ID})
	return status(err)
}

// KVGet reads a key.
func (s services) KVGet(ctx context.Context, key string) ([]byte, error) {
	b, err := s.broker.KVGet(ctx, s.tenant, key)
	return b, status(err)
}

// KVPut writes a key; ttl 0 keeps it.
func (s services) KVPut(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return status(s.broker.KVPut(ctx, s.tenant, key, value, ttl))
}

// KVDelete removes a key.
func (s services) KVDelete(ctx context.Context, key string) error {
	return status(s.broker.KVDelete(ctx, s.tenant, key))
}

// status is the broker's error as a callback sees it.
func status(err error) error {
	var invalid *broker.InvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return abi.Invalid
	case errors.Is(err, broker.ErrNotFound):
		return abi.NotFound
	case errors.Is(err, broker.ErrTooBig):
		return abi.TooBig
	}
	return abi.Unavailable
}

var _ host.Emitter = (*guestProducer)(nil)
var _ host.Services = services{}
