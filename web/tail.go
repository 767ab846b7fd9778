package web

import (
	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/web/wire"
)

// follow joins the channel of all who get the same bytes. The stream begins in its ring or behind it.
func (v *viewer) follow() (*wire.Viewer, error) {
	channels := v.server.channels
	ch, err := channels.join(v.ctx, v.route, v.subjects)
	if err != nil {
		return nil, err
	}
	v.entry.leave = func() { channels.leave(ch) } // it keeps nothing of v
	s := v.wireStream()
	s.Ring = ch.ring
	s.From, err = v.startIn(ch)
	if err != nil {
		return nil, err
	}
	return v.server.writers.NewViewer(s), nil
}

// startIn finds where the stream begins.
func (v *viewer) startIn(ch *channel) (wire.Cursor, error) {
	if v.from == (broker.From{}) {
		c := ch.ring.Live()
		v.begin = beginning{epoch: ch.epoch, id: ch.id(c)}
		return c, nil
	}
	sub, begin, err := v.subscribe()
	if err != nil {
		return wire.Cursor{}, err
	}
	defer sub.Close()
	if begin.epoch != ch.epoch {
		return wire.Cursor{}, errEnded // the history is another than the channel's
	}
	v.begin = begin
	return startCursor(sub.Start().Position), nil
}

// ownTail produces for an event callback of scope viewer: its own subscription, and the callback
// sees this viewer's request.
type ownTail struct {
	sub    *broker.Subscription
	cursor wire.Cursor
	t      transform
}

func (p *ownTail) open(v *viewer) (err error) {
	p.t = v.server.transform(v.route, *v.request)
	if !v.route.callback.hold() {
		return errEnded
	}
	if p.sub, v.begin, err = v.subscribe(); err != nil {
		v.route.callback.drop()
		return err
	}
	p.cursor = startCursor(p.sub.Start().Position)
	return nil
}

func (p *ownTail) run(v *viewer) (err error) {
	defer v.route.callback.drop()
	defer p.sub.Close()
	for {
		if err = p.step(v); err != nil {
			return err
		}
		if p.cursor.Output == 0 { // all of an event is behind the viewer
			v.out.Advance(p.cursor.Seq)
		}
	}
}

// transform is what the route does to an event, for the given request.
func (s *Server) transform(r *route, req abi.Request) transform {
	return transform{callback: r.callback, onError: r.spec.OnError, session: s.session(r, req, nil)}
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
		e := gapEvent(at)
		begin.notice = &e
	case at.Reset:
		begin.notice = &abi.Event{Name: "reset", Data: jsonText(map[string]string{"id": begin.id})}
	}
	return sub, begin, nil
}

// gapEvent tells that events behind the viewer's id are no longer kept.
func gapEvent(at broker.Start) abi.Event {
	return abi.Event{Name: "gap", Data: jsonText(map[string]string{"oldest": at.Oldest.String()})}
}

// step reads what comes next, and puts its frames.
func (p *ownTail) step(v *viewer) error {
	events, seq, err := p.sub.Next(v.ctx)
	if err != nil {
		return err
	}
	for _, e := range events {
		fs, end := p.t.frames(v.ctx, nil, v.begin.epoch, e)
		if err := p.put(v, fs); err != nil {
			return err
		}
		if end != nil {
			return end
		}
	}
	if seq > p.cursor.Seq {
		p.cursor = wire.Cursor{Seq: seq}
	}
	return nil
}

// put sends the frames that lie behind the cursor, as one.
func (p *ownTail) put(v *viewer, fs []wire.Frame) error {
	for len(fs) > 0 && p.cursor.Covers(fs[0].At) {
		fs = fs[1:]
	}
	if len(fs) == 0 {
		return nil
	}
	p.cursor = fs[len(fs)-1].At
	seq := p.cursor.Seq
	if p.cursor.Output > 0 {
		seq = 0 // part of an event is no position to be told by a keep-alive
	}
	return v.out.Put(v.ctx, len(fs), seq, func(b []byte) []byte {
		for i := range fs {
			b = append(b, fs[i].Bytes...)
		}
		return b
	})
}
