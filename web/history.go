package web

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/web/wire"
)

// historyTurn is after how long a run of history is given to its viewers though it is small, since
// the callback is slow or drops most events.
const historyTurn = 2 * time.Second

// historyEvent is how many bytes of a batch each event that is read for it should at least make. Few
// are so small.
const historyEvent = 128

// history reads what lies behind a cursor for viewers that are behind the ring. That history no
// longer reaches there is told by an event gap.
func (ch *channel) history(ctx context.Context, after wire.Cursor, upTo uint64, b *wire.Batch) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ch.ctx, cancel)() // nobody is left to read it for
	if c := ch.transform.callback; c != nil {
		if !c.hold() {
			return errEnded
		}
		defer c.drop()
	}
	sub, err := ch.server.broker.Subscribe(ctx, ch.tenant, ch.subjects, broker.From{After: ch.id(after), Step: b.Want() / historyEvent})
	if err != nil {
		return err
	}
	defer sub.Close()
	start := sub.Start()
	if start.Reset { // the history is another now; who comes back with its id is told so
		return broker.ErrGone
	}
	if start.Gap {
		e := gapEvent(start)
		e.ID = start.Position.String() // who is cut behind it is not told again
		b.Add(wire.Frame{At: startCursor(start.Position), Bytes: sse.AppendEvent(nil, &e)})
	}
	for until := time.Now().Add(historyTurn); !b.Enough(); {
		seq, err := ch.readStep(ctx, sub, upTo, b, until)
		if err != nil || seq >= upTo || time.Now().After(until) {
			return err
		}
	}
	return nil
}

// readStep adds the next events to b, until it is full or a time has come. It returns the position
// that it has come to.
func (ch *channel) readStep(ctx context.Context, sub *broker.Subscription, upTo uint64, b *wire.Batch, until time.Time) (seq uint64, err error) {
	events, seq, err := sub.NextUpTo(ctx, upTo)
	if err != nil {
		return 0, err
	}
	var fs []wire.Frame
	for i, e := range events {
		fs, err = ch.transform.frames(ctx, fs[:0], ch.epoch, e)
		if err != nil && !errors.Is(err, errEnded) {
			return 0, err
		}
		for _, f := range fs {
			b.Add(f)
		}
		b.Reach(wire.Cursor{Seq: e.Seq})
		if err != nil {
			b.End(err)
			return e.Seq, nil
		}
		if i+1 < len(events) && (b.Full() || time.Now().After(until)) {
			return e.Seq, nil
		}
	}
	b.Reach(wire.Cursor{Seq: seq})
	return seq, nil
}
