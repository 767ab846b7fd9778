package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/broker/backup"
)

const (
	kvSubjects = "$KV." + kvBucket + ".>"

	fetchMessages = 1000
	fetchBytes    = 16 << 20     // more than any message has
	maxKVRead     = 16 * kvBytes // values that are written faster than they are read could be read for ever
	fetchWait     = 2 * time.Second
	maxReadTries  = 300             // without a message, a minute or more
	readerIdle    = 5 * time.Minute // after which the server drops a consumer that nobody asks
)

// streamReader reads a stream from a sequence on, in order, at the pace of who takes the messages. It
// has a consumer, which it makes anew when that is lost, as by an election. A message that was removed
// meanwhile is left out; one that was replaced comes later.
type streamReader struct {
	link    *link
	stream  string
	subject string
	last    uint64 // the sequence that it ends with; 0 is when nothing follows
	bytes   int    // of all messages, at most; 0 is unbounded

	consumer jetstream.Consumer // nil for none
	given    uint64             // messages of this consumer
	pending  uint64             // that it says it has
	next     uint64             // sequence
	size     int
}

// read hands over each message from seq on.
func (r *streamReader) read(ctx context.Context, seq uint64, take func(backup.Message) error) error {
	r.next = seq
	defer func() { r.drop(ctx) }()
	for try := 0; !r.whole(); try++ {
		from := r.next
		failed, err := r.step(ctx, take)
		switch {
		case failed != nil:
			return failed
		case err != nil && !transient(err) && !errors.Is(err, errConsumer):
			return err
		case err != nil:
			r.drop(ctx)
		case r.pending == 0:
			if done, err := r.atEnd(ctx); done || err != nil && !transient(err) {
				return err
			}
			r.pending = 1 // as far as is known, which a fetch finds out
		}
		if r.next > from {
			try = 0
		} else if try == maxReadTries {
			return errors.Join(fmt.Errorf("stream %s from %d: %w", r.stream, r.next, ErrUnavailable), err)
		} else if !pause(ctx, try) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// step fetches once, with the consumer that it has, or a new one. failed is the error of take, for good.
func (r *streamReader) step(ctx context.Context, take func(backup.Message) error) (failed, err error) {
	if r.consumer == nil {
		if err := r.open(ctx); err != nil {
			return nil, err
		}
	}
	if r.pending == 0 {
		return nil, nil
	}
	return r.fetch(ctx, take)
}

// whole tells whether all up to last was read.
func (r *streamReader) whole() bool { return r.last > 0 && r.next > r.last }

// errConsumer is that of a consumer that is of no use any more.
var errConsumer = errors.New("consumer is lost")

func (r *streamReader) open(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r.consumer, err = r.link.js.CreateConsumer(ctx, r.stream, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.next, FilterSubject: r.subject,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: readerIdle,
	})
	if err != nil {
		r.consumer = nil
		return err
	}
	r.given, r.pending = 0, r.consumer.CachedInfo().NumPending
	return nil
}

func (r *streamReader) drop(ctx context.Context) {
	if r.consumer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = r.link.js.DeleteConsumer(ctx, r.stream, r.consumer.CachedInfo().Name) // else it goes by itself
	r.consumer = nil
}

// fetch hands over what the consumer has next, at once. failed is the error of take, for good.
func (r *streamReader) fetch(ctx context.Context, take func(backup.Message) error) (failed, err error) {
	waiting, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	batch, err := r.consumer.Fetch(fetchMessages, jetstream.FetchMaxBytes(fetchBytes), jetstream.FetchContext(waiting))
	if err != nil {
		return nil, err
	}
	got := false
	for m := range batch.Messages() {
		got = true
		meta, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		if r.given++; meta.Sequence.Consumer != r.given || meta.Sequence.Stream < r.next {
			return nil, errConsumer // one was lost on the way
		}
		if r.last > 0 && meta.Sequence.Stream > r.last {
			r.next = meta.Sequence.Stream // all up to last was read, or is gone
			return nil, nil
		}
		if err := take(backup.Message{
			Seq: meta.Sequence.Stream, Time: meta.Timestamp, Subject: m.Subject(), Header: m.Headers(), Data: m.Data(),
		}); err != nil {
			return err, nil
		}
		r.next = meta.Sequence.Stream + 1
		if r.size += len(m.Data()); r.bytes > 0 && r.size > r.bytes {
			return fmt.Errorf("stored values change faster than they are read: %w", ErrConflict), nil
		}
		if r.pending = meta.NumPending; r.pending == 0 || r.whole() {
			return nil, nil
		}
	}
	if err := batch.Error(); err != nil && ctx.Err() == nil && waiting.Err() == nil {
		return nil, fmt.Errorf("%w: %w", errConsumer, err)
	}
	if !got {
		r.pending = 0
	}
	return nil, context.Cause(ctx)
}

// atEnd asks the stream's leader whether nothing follows that is to be read.
func (r *streamReader) atEnd(ctx context.Context) (bool, error) {
	attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := r.link.js.Stream(attempt, r.stream)
	if err != nil {
		return false, err
	}
	info := s.CachedInfo()
	if !byLeader(info.Cluster, info.Config.Replicas) || info.State.LastSeq < r.last {
		return false, nil
	}
	m, found, err := r.link.stored(ctx, r.stream, storedQuery{Seq: r.next, NextBySubject: r.subject})
	return err == nil && (!found || r.last > 0 && m.Seq > r.last), err
}

// wholeBatch returns the sequence of the last event of the batch that the one at seq is in, or seq. An
// extent that was asked for while a batch was being stored ends within it.
func (h *history) wholeBatch(ctx context.Context, seq uint64) (end uint64, err error) {
	end = seq
	for try := 0; try < 10; try++ {
		m, found, err := h.stored(ctx, storedQuery{Seq: seq})
		switch {
		case err != nil:
			return end, err
		case found && !m.goesOn(), !found && seq == end:
			return seq, nil
		case found:
			end, seq, try = seq, seq+1, 0
			continue
		}
		if !pause(ctx, try+4) {
			return end, context.Cause(ctx)
		}
	}
	return end, nil // what would follow was of another kind
}

// goesOn tells whether m is in a batch and not its last event.
func (m storedMessage) goesOn() bool {
	return bytes.Contains(m.Header, []byte("\r\nNats-Batch-Id:")) && !bytes.Contains(m.Header, []byte("\r\nNats-Batch-Commit:"))
}
