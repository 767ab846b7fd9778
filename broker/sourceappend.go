package broker

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/broker/source"
)

// Append implements source.Store.
func (s *sourceStore) Append(ctx context.Context, at source.Cursor, outputs []source.Output, to source.Cursor) (now source.Cursor, err error) {
	if len(outputs) > source.MaxOutputs {
		return now, fmt.Errorf("store %d outputs: %w", len(outputs), ErrTooBig)
	}
	next := s.run
	next.Revision, next.LastEventID, next.Ended, next.Complete = at.Revision+1, to.LastEventID, to.Ended, to.Complete
	next.Digest = digestOutputs(outputs, to)
	err = s.with(ctx, "store events", func(ctx context.Context, h *history) error {
		if at.Revision != s.last.Revision {
			return source.ErrConflict
		}
		if err := s.store(ctx, h, outputs, next); err != nil {
			return err
		}
		next.Sent = s.last.Sent
		s.last, s.copied = next, false
		now = s.cursor()
		s.owe()
		return nil
	})
	return now, err
}

// store stores the outputs with the cursor behind them, or finds that this was done before.
func (s *sourceStore) store(ctx context.Context, h *history, outputs []source.Output, next cursorRecord) error {
	free, err := h.link.slot(ctx, h.link.batches)
	if err != nil {
		return err
	}
	defer free()
	value, err := json.Marshal(next)
	if err != nil {
		return err
	}
	work := newBatch(h.link, s.publications(outputs))
	work.tail = func() *nats.Msg {
		m := &nats.Msg{Subject: s.subject, Data: value, Header: nats.Header{}}
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(s.seq, 10))
		return m
	}
	if s.seq == 0 { // history has nothing to compare with; the copy may be another owner's
		if stored, err := s.reconcile(ctx, h, next); stored || err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		err := work.run(ctx)
		switch {
		case err == nil:
			s.broker.counts.published.Add(uint64(work.stored))
			s.seq = work.end
			return nil
		case hasCode(err, codeWrongLastSequence):
			if stored, err := s.reconcile(ctx, h, next); stored || err != nil {
				return err
			}
		case !transient(err) && !unsettled(err):
			return err
		}
		if !pause(ctx, try) {
			return err
		}
		now, err := h.link.reopen(ctx, h, err)
		if err != nil {
			return err
		}
		if now.epoch != h.epoch { // what was stored is gone with the other history
			h, work.seqs, s.seq = now, make([]uint64, len(outputs)), 0
		}
	}
}

// publications are outputs as they are published.
func (s *sourceStore) publications(outputs []source.Output) []Publication {
	ps := make([]Publication, len(outputs))
	for i, o := range outputs {
		ps[i] = Publication{Subject: o.Subject, Name: o.Name, Data: o.Data, Key: o.Key, source: s.name, sourceID: o.ID}
	}
	return ps
}

// reconcile finds out why the last cursor in history is not the one that next follows. It returns
// true if it is next itself, from an attempt whose answer was lost. It sets seq if history has let go
// of what it has a copy of, or is an older one.
func (s *sourceStore) reconcile(ctx context.Context, h *history, next cursorRecord) (stored bool, err error) {
	rec, seq, err := s.lastIn(ctx, h)
	if err != nil {
		return false, err
	}
	if rec.UID == next.UID && rec.Revision == next.Revision && rec.Digest == next.Digest {
		s.seq = seq
		return true, nil
	}
	if seq == 0 {
		if rec, err = s.broker.cursors.read(ctx, s.key); err != nil {
			return false, err
		}
	}
	if rec.UID == next.UID && rec.Revision >= next.Revision {
		return false, source.ErrConflict
	}
	if err := s.checkRun(ctx, rec); err != nil {
		return false, err
	}
	s.seq = seq
	return false, nil
}

// digestOutputs tells one call of Append from another.
func digestOutputs(outputs []source.Output, to source.Cursor) string {
	h := sha256.New()
	for _, o := range outputs {
		hashText(h, o.Subject, o.Name, o.Data, o.Key, o.ID)
	}
	hashText(h, to.LastEventID, strconv.FormatBool(to.Ended), strconv.FormatBool(to.Complete))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// hashText writes texts so that no others give the same bytes.
func hashText(h hash.Hash, texts ...string) {
	for _, text := range texts {
		h.Write(strconv.AppendInt(nil, int64(len(text)), 10))
		h.Write([]byte{':'})
		h.Write([]byte(text))
	}
}
