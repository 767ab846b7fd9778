package web

import (
	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/web/wire"
)

// producer fills a stream of its own, by the viewer's out.
type producer interface {
	// open gets ready, and may put first frames. An error becomes the response's status.
	open(v *viewer) error
	// run produces until the stream ends; it is called once, after open succeeded. It returns nil
	// when the stream is complete.
	run(v *viewer) error
}

// producer is nil for a stream that follows a channel.
func (v *viewer) producer() producer {
	switch {
	case v.own != nil:
		return v.own
	case v.route.kind == abi.OnStream:
		return &guestProducer{}
	case v.route.kind == abi.OnEvent && v.route.spec.Scope == "viewer":
		return &ownTail{}
	}
	return nil
}

// produce makes a stream of its own, and starts p.
func (v *viewer) produce(p producer) (*wire.Viewer, error) {
	s := v.wireStream()
	s.QueueBytes = v.server.config.QueueBytes
	// A callback that is not async waits for its viewer at every send.
	s.Acked = v.route.kind == abi.OnStream && !v.route.spec.Async
	s.Position = func(seq uint64) []byte { return positionBlock(v.begin.epoch, seq) }
	v.out = v.server.writers.NewViewer(s)
	if err := p.open(v); err != nil {
		return nil, err
	}
	v.server.guests.Go(func() { v.finish(p.run(v)) })
	return v.out, nil
}

// finish ends the stream when its producer has, with an error event if a callback failed. A producer
// that ended because the stream did has nothing to tell.
func (v *viewer) finish(err error) {
	if v.ctx.Err() != nil {
		return
	}
	if callbackFailed(err) {
		e := errorEvent(err)
		_ = v.send(&e) // a viewer that left needs no error
	}
	v.out.Close()
}

// send gives the viewer one event as it is.
func (v *viewer) send(e *abi.Event) error {
	return v.out.Put(v.ctx, 1, 0, func(b []byte) []byte { return sse.AppendEvent(b, e) })
}

// positionBlock tells a viewer a position without an event.
func positionBlock(epoch string, seq uint64) []byte {
	return sse.AppendID(nil, broker.Position{Epoch: epoch, Seq: seq}.String())
}
