package web

import (
	"context"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
)

// sharedTail produces the frames of a channel: a plain tail, or an event callback of scope shared.
// A viewer begins behind the ring or in it; what lies behind is read from history and goes through
// the same callback.
type sharedTail struct {
	channel *channel
	sub     *broker.Subscription // the history being caught up with; nil in the ring
	cursor  cursor
	t       transform
}

func (p *sharedTail) open(v *viewer) error {
	p.t = v.transform(abi.Request{Tenant: v.route.tenant, Route: v.route.name})
	ch, err := v.server.channels.join(v.ctx, v.route, v.subjects, p.t)
	if err != nil {
		return err
	}
	p.channel = ch
	if v.from == (broker.From{}) {
		p.cursor = ch.live()
		v.begin = beginning{epoch: ch.epoch, id: p.cursor.id(ch.epoch)}
		return nil
	}
	if p.sub, v.begin, err = v.subscribe(); err != nil {
		v.server.channels.leave(ch)
		return err
	}
	p.cursor = startCursor(p.sub)
	return nil
}

func (p *sharedTail) run(v *viewer) error {
	defer v.server.channels.leave(p.channel)
	defer p.closeSub()
	for {
		err := p.catchUp(v)
		if err == nil {
			err = p.follow(v)
		}
		if err != nil {
			return err
		}
	}
}

// catchUp reads history until the cursor is in the ring.
func (p *sharedTail) catchUp(v *viewer) (err error) {
	for {
		if _, ok := p.channel.seek(p.cursor); ok {
			p.closeSub()
			return nil
		}
		if p.sub == nil {
			if err := p.fallBack(v); err != nil {
				return err
			}
		}
		if p.cursor, err = v.step(p.sub, &p.t, p.cursor); err != nil {
			p.closeSub()
			return err
		}
		v.come(p.cursor)
	}
}

// fallBack goes on in history, since the ring has moved past the viewer. That history has moved on
// as well is told in mid-stream.
func (p *sharedTail) fallBack(v *viewer) error {
	v.from = broker.From{After: p.cursor.id(p.channel.epoch)}
	sub, begin, err := v.subscribe()
	if err != nil {
		return err
	}
	p.sub, p.cursor = sub, startCursor(sub)
	if begin.notice != nil {
		return v.send(begin.notice)
	}
	return nil
}

func (p *sharedTail) closeSub() {
	if p.sub != nil {
		p.sub.Close()
		p.sub = nil
	}
}

// follow sends frames from the ring. It returns nil when the ring has moved past the viewer.
func (p *sharedTail) follow(v *viewer) error {
	n, ok := p.channel.seek(p.cursor)
	for ok {
		fs, head, wake, still, err := p.channel.read(n, v.server.config.QueueBytes)
		if !still {
			return nil
		}
		if err != nil {
			return err
		}
		if len(fs) == 0 {
			if head > p.cursor.seq {
				p.cursor = cursor{seq: head}
				v.out.advance(head)
			}
			select {
			case <-v.ctx.Done():
				return context.Cause(v.ctx)
			case <-wake:
			case <-v.nudge: // events that came to nothing wake nobody; now and then their position counts
			}
			continue
		}
		if p.cursor, err = v.put(fs, p.cursor); err != nil {
			return err
		}
		n += uint64(len(fs))
	}
	return nil
}

// ownTail produces for an event callback of scope viewer: its own subscription, and the callback
// sees this viewer's request.
type ownTail struct {
	sub    *broker.Subscription
	cursor cursor
	t      transform
}

func (p *ownTail) open(v *viewer) (err error) {
	p.t = v.transform(*v.request)
	if !v.route.callback.hold() {
		return errEnded
	}
	if p.sub, v.begin, err = v.subscribe(); err != nil {
		v.route.callback.drop()
		return err
	}
	p.cursor = startCursor(p.sub)
	return nil
}

func (p *ownTail) run(v *viewer) (err error) {
	defer v.route.callback.drop()
	defer p.sub.Close()
	for {
		if p.cursor, err = v.step(p.sub, &p.t, p.cursor); err != nil {
			return err
		}
		v.come(p.cursor)
	}
}

// come notes how far the viewer is, once all of an event is behind it.
func (v *viewer) come(c cursor) {
	if c.output == 0 {
		v.out.advance(c.seq)
	}
}

// transform is what the route does to an event, for the given request.
func (v *viewer) transform(req abi.Request) transform {
	return transform{
		callback: v.route.callback, onError: v.route.spec.OnError,
		session: v.server.session(v.route, req, nil),
	}
}

// session is what a callback of the route gets to work with.
func (s *Server) session(r *route, req abi.Request, body []byte) host.Session {
	sess := host.Session{Request: req, Body: body, Services: services{s.broker, r.tenant}}
	if r.callback != nil {
		sess.Log = s.logs.of(r.tenant, pluginLog(r.callback.version.Name)).line
		sess.Share, sess.Opener = r.own.share, opener{r.own.outbound, sess.Log}
	}
	return sess
}

// subscribe opens the stream's own subscription at v.from.
func (v *viewer) subscribe() (*broker.Subscription, beginning, error) {
	sub, err := v.server.broker.Subscribe(v.ctx, v.route.tenant, v.subjects, v.from)
	if err != nil {
		return nil, beginning{}, err
	}
	at := sub.Start()
	begin := beginning{epoch: at.Position.Epoch, id: at.Position.String()}
	switch {
	case at.Gap:
		begin.notice = &abi.Event{Name: "gap", Data: jsonText(map[string]string{"oldest": at.Oldest.String()})}
	case at.Reset:
		begin.notice = &abi.Event{Name: "reset", Data: jsonText(map[string]string{"id": begin.id})}
	}
	return sub, begin, nil
}

// startCursor is where a subscription begins.
func startCursor(sub *broker.Subscription) cursor {
	at := sub.Start().Position
	return cursor{at.Seq, at.Output}
}

// step reads what comes next and puts its frames. It returns the cursor behind them.
func (v *viewer) step(sub *broker.Subscription, t *transform, c cursor) (cursor, error) {
	events, seq, err := sub.Next(v.ctx)
	if err != nil {
		return c, err
	}
	for _, e := range events {
		fs, err := t.frames(v.ctx, nil, v.begin.epoch, e)
		if err != nil {
			return c, err
		}
		if c, err = v.put(fs, c); err != nil {
			return c, err
		}
	}
	if seq > c.seq {
		c = cursor{seq: seq}
	}
	return c, nil
}

// put sends the frames that lie behind the cursor, as one. errEnded says that the last of them ends
// the stream.
func (v *viewer) put(fs []frame, c cursor) (cursor, error) {
	for len(fs) > 0 && c.covers(fs[0]) && !fs[0].end {
		fs = fs[1:]
	}
	if len(fs) == 0 {
		return c, nil
	}
	last := fs[len(fs)-1]
	seq := last.seq
	if last.more > 0 {
		seq = 0 // part of an event is no position to be told by a keep-alive
	}
	err := v.out.put(v.ctx, len(fs), seq, func(b []byte) []byte {
		for i := range fs {
			b = append(b, fs[i].bytes...)
		}
		return b
	})
	if err == nil && last.end {
		err = errEnded
	}
	return after(last), err
}
