package broker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bounds of one batch.
const (
	MaxBatch      = 1000     // events
	MaxBatchBytes = 32 << 20 // data of all together
)

// PublishBatch stores all of ps, next to each other and in order, or none. Those whose Key was used
// before, in the last two minutes or earlier in ps, are not stored again and get the first one's
// position; all others are stored together. Errors are Publish's.
func (b *Broker) PublishBatch(ctx context.Context, tenant string, ps []Publication) ([]Position, error) {
	if err := b.checkBatch(ps); err != nil {
		return nil, err
	}
	l, err := b.acquire(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer l.release()
	if len(ps) == 0 {
		return nil, nil
	}
	free, err := l.slot(ctx, l.batches)
	if err != nil {
		return nil, l.failed("publish batch", err)
	}
	defer free()
	h, err := l.history(ctx)
	if err != nil {
		return nil, err
	}
	ctx, stop := l.within(ctx)
	defer stop()
	ps = b.repeatableAll(ps)
	work := newBatch(l, ps)
	for try := 0; ; try++ {
		err := work.run(ctx)
		if err == nil {
			b.counts.published.Add(uint64(work.stored))
			return work.positions(h.epoch), nil
		}
		if !repeatable(err, work.keyed) || !pause(ctx, try) {
			return nil, l.failed("publish batch", err)
		}
		now, err := l.reopen(ctx, h, err)
		if err != nil {
			return nil, err
		}
		if now.epoch != h.epoch { // what was stored is gone with the other history
			h, work = now, newBatch(l, ps)
		}
	}
}

func (b *Broker) repeatableAll(ps []Publication) []Publication {
	all := make([]Publication, len(ps))
	for i, p := range ps {
		all[i] = b.repeatable(p)
	}
	return all
}

func (b *Broker) checkBatch(ps []Publication) error {
	if len(ps) > MaxBatch {
		return fmt.Errorf("batch of %d events: %w", len(ps), ErrTooBig)
	}
	size := 0
	for i, p := range ps {
		if err := p.check(b.config.MaxEventBytes); err != nil {
			return fmt.Errorf("event %d: %w", i+1, err)
		}
		size += len(p.Data)
	}
	if size > MaxBatchBytes {
		return fmt.Errorf("batch of %d bytes: %w", size, ErrTooBig)
	}
	return nil
}

// batch is a batch on its way. The server refuses one in which a message id was used before, so
// those messages are found and left out before it is sent again.
type batch struct {
	link   *link
	ps     []Publication
	first  []int    // of each publication, the index of the first one with its key: its own mostly
	seqs   []uint64 // 0 until it is known
	keyed  bool     // all have keys or ids, so the whole can be sent again
	stored int

	tail func() *nats.Msg // if not nil, makes a message without a key that is stored behind all others
	end  uint64           // its sequence
}

func newBatch(l *link, ps []Publication) *batch {
	w := &batch{link: l, ps: ps, first: make([]int, len(ps)), seqs: make([]uint64, len(ps)), keyed: true}
	byKey := map[string]int{}
	for i, p := range ps {
		w.first[i] = i
		if !p.repeatable() {
			w.keyed = false
		} else if j, ok := byKey[p.messageID()]; ok {
			w.first[i] = j
		} else {
			byKey[p.messageID()] = i
		}
	}
	return w
}

func (w *batch) positions(epoch string) []Position {
	positions := make([]Position, len(w.ps))
	for i, j := range w.first {
		positions[i] = Position{Epoch: epoch, Seq: w.seqs[j]}
	}
	return positions
}

// run sends what is not known to be stored. After codeBatchDuplicate the next run leaves out more.
func (w *batch) run(ctx context.Context) error {
	var open []int
	for i, j := range w.first {
		if i == j && w.seqs[i] == 0 {
			open = append(open, i)
		}
	}
	if len(open) == 0 && w.tail == nil {
		return nil
	}
	err := w.send(ctx, open)
	if hasCode(err, codeBatchDuplicate) {
		return errors.Join(err, w.findStored(ctx, open))
	}
	return err
}

// send publishes the messages of open, and the tail, as one atomic batch. Only the last is answered;
// a message that was refused or lost on the way makes that answer an error. One alone needs no
// batch, which costs the server much more.
func (w *batch) send(ctx context.Context, open []int) error {
	msgs := make([]*nats.Msg, 0, len(open)+1)
	for _, i := range open {
		msgs = append(msgs, w.ps[i].message())
	}
	if w.tail != nil {
		msgs = append(msgs, w.tail())
	}
	last := len(msgs) - 1
	if last > 0 {
		if err := w.sendFirst(msgs); err != nil {
			return err
		}
	}
	ack, err := w.link.publish(ctx, msgs[last])
	switch {
	case err != nil:
		return err
	case last > 0 && ack.Count != len(msgs):
		return fmt.Errorf("batch of %d was stored as %d", len(msgs), ack.Count)
	}
	w.setStored(open, ack)
	return nil
}

// sendFirst makes msgs a batch and publishes all but the last, which commits it.
func (w *batch) sendFirst(msgs []*nats.Msg) error {
	id := randomID()
	for n, m := range msgs {
		if m.Header == nil {
			m.Header = nats.Header{}
		}
		m.Header.Set("Nats-Batch-Id", id)
		m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(n+1))
		if n == len(msgs)-1 {
			m.Header.Set("Nats-Batch-Commit", "1")
		} else if err := w.link.nc.PublishMsg(m); err != nil {
			return err
		}
	}
	return nil
}

// setStored gives the messages of open, which were stored next to each other, their sequences.
func (w *batch) setStored(open []int, a ack) {
	last := a.Seq
	if w.tail != nil {
		w.end = last
		last--
	}
	for n, i := range open {
		w.seqs[i] = last - uint64(len(open)-1-n)
	}
	if !a.Duplicate {
		w.stored = len(open)
	}
}

// findStored learns which keys were used before, and the sequences of their events. It sends
// messages that cannot be stored. The server looks for a duplicate first and answers with its
// sequence.
func (w *batch) findStored(ctx context.Context, open []int) error {
	for _, i := range open {
		if !w.ps[i].repeatable() {
			continue
		}
		probe := &nats.Msg{Subject: eventPrefix + w.ps[i].Subject, Header: nats.Header{}}
		probe.Header.Set(jetstream.MsgIDHeader, w.ps[i].messageID())
		w.link.barStoring(probe.Header)
		ack, err := w.link.publish(ctx, probe)
		switch {
		case err == nil && ack.Duplicate:
			w.seqs[i] = ack.Seq
		case err == nil:
			return errors.New("a message that could not be stored was stored")
		case !hasCode(err, codeWrongLastMsgID, codeWrongLastSequence):
			return err
		}
	}
	return nil
}

// barStoring makes a message one that cannot be stored, by what it expects of the stream. What is
// looked at before duplicates are differs: a single copy's sequence is, and its last message id is not.
// With several copies it is the other way round, and a message that fails there only when it comes to
// be stored leaves its own id behind as used.
func (l *link) barStoring(h nats.Header) {
	if l.broker.config.replicas() > 1 {
		h.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatInt(math.MaxInt64, 10))
	} else {
		h.Set(jetstream.ExpectedLastMsgIDHeader, "none-"+randomID())
	}
}
