package web

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/web/wire"
)

// channel is the viewers of this node that get the same bytes: same route revision, same resolved
// subjects. It reads the hub once and makes each event's frames once, into a ring that they follow.
// What lies behind the ring is read from history and goes through the same callback.
type channel struct {
	server    *Server
	key       string
	tenant    string
	subjects  []string
	transform transform
	ctx       context.Context // ends with the last viewer
	cancel    context.CancelFunc
	viewers   int         // guarded by channels
	over      atomic.Bool // it takes no more viewers

	opened  chan struct{} // closed once those below are set
	openErr error
	epoch   string
	ring    *wire.Ring // nil with openErr
}

// errEnded is why a channel ended whose callback asked for it or failed.
var errEnded = errors.New("channel ended")

// run is a channel's life, until its last viewer has left.
func (ch *channel) run() {
	sub, err := ch.open()
	close(ch.opened)
	if err != nil {
		return
	}
	defer ch.ring.Close()
	err = ch.pump(sub)
	sub.Close()
	ch.over.Store(true)
	if errors.Is(err, broker.ErrNotFound) { // the tenant was deleted, and streams.recheck ends them one by one
		err = errDeleted
		ch.await(ch.server.config.Drain + ch.server.config.WriteTimeout)
	}
	ch.ring.End(err)
	<-ch.ctx.Done() // they may still read, history too
}

// open subscribes at the live end and makes the ring.
func (ch *channel) open() (*broker.Subscription, error) {
	sub, err := ch.server.broker.Subscribe(ch.ctx, ch.tenant, ch.subjects, broker.From{})
	if err != nil {
		ch.openErr = err
		ch.over.Store(true)
		return nil, err
	}
	start := sub.Start().Position
	ch.epoch = start.Epoch
	ch.ring = ch.server.writers.NewRing(wire.RingConfig{
		Bytes: ch.server.config.RingBytes, Begin: start.Seq, History: ch.history,
		Position: func(seq uint64) []byte { return positionBlock(start.Epoch, seq) },
	})
	return sub, nil
}

// pump reads the subscription and fills the ring. It returns why it ended.
func (ch *channel) pump(sub *broker.Subscription) error {
	var fs []wire.Frame
	for {
		events, head, err := sub.Next(ch.ctx)
		if err != nil {
			return err
		}
		fs = fs[:0]
		for _, e := range events {
			fs, err = ch.transform.frames(ch.ctx, fs, ch.epoch, e)
			if errors.Is(err, errEnded) {
				ch.ring.Append(fs, e.Seq)
			}
			if err != nil {
				return err
			}
		}
		ch.ring.Append(fs, head)
		clear(fs)
	}
}

// await waits until the last viewer has left, for a time at most.
func (ch *channel) await(most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-ch.ctx.Done():
	case <-timer.C:
	}
}

// id is a cursor as an event id.
func (ch *channel) id(c wire.Cursor) string { return cursorPosition(ch.epoch, c).String() }

func cursorPosition(epoch string, c wire.Cursor) broker.Position {
	return broker.Position{Epoch: epoch, Seq: c.Seq, Output: c.Output}
}

// startCursor is where a subscription begins.
func startCursor(at broker.Position) wire.Cursor { return wire.Cursor{Seq: at.Seq, Output: at.Output} }
