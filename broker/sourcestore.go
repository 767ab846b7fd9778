package broker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/broker/source"
)

const (
	sourceHeader   = "Millrace-Source"    // on each output: the source's name
	sourceIDHeader = "Millrace-Source-Id" // and the id of the remote event that it came from

	// A cursor is copied when it is this old, or sooner if history may let go of it before.
	maxCursorDelay = time.Minute
	minCursorDelay = time.Second

	// maxFillRate is how fast a history can be filled, in bytes a second.
	maxFillRate = 64 << 20
)

var errBusy = errors.New("store is busy")

// sourceStore is the source.Store of one run of a source. Outputs go into the tenant's history as one
// atomic batch whose last message is the cursor; it is stored only if the cursor before it is the last
// one of the source, so of two owners at once each makes the other begin again where it stopped.
type sourceStore struct {
	broker       *Broker
	tenant, name string
	key          string // of the cursor's copy
	subject      string // of the cursor in history
	run          cursorRecord
	nonce        string // tells this store's writes from another's

	mu     sync.Mutex
	last   cursorRecord
	seq    uint64 // of the last cursor in history, of whatever run or source of this name; 0 if there is none
	copied bool   // there is a copy of last
}

// SourceStore returns where the source's run, as it is in v, keeps its outputs and its cursor. A run
// that a user has ended since, by starting another or deleting the source, gets source.ErrConflict.
// The source must be in v.
func (b *Broker) SourceStore(v *View, name string) source.Store {
	s := v.Sources[name]
	return &sourceStore{
		broker: b, tenant: v.Tenant.Name, name: name, nonce: randomID(),
		key: v.Tenant.UID + "." + name, subject: eventPrefix + sourceSubject + "." + name,
		run: cursorRecord{UID: s.uid, Run: s.Run},
	}
}

// Cursor implements source.Store. What is in history counts, and the copy where history has let go
// of it.
func (s *sourceStore) Cursor(ctx context.Context) (at source.Cursor, err error) {
	err = s.with(ctx, "read cursor", func(ctx context.Context, h *history) error {
		inHistory, seq, err := s.lastIn(ctx, h)
		if err != nil {
			return err
		}
		saved, err := s.broker.cursors.read(ctx, s.key)
		if err != nil {
			return err
		}
		last := s.run
		for _, rec := range []cursorRecord{inHistory, saved} {
			if err := s.checkRun(ctx, rec); err != nil {
				return err
			}
			if rec.UID == last.UID && rec.Revision > last.Revision {
				last = rec
			}
		}
		s.last, s.seq, s.copied = last, seq, saved.UID == last.UID && saved.Revision == last.Revision
		s.last.Complete = last.Complete && last.continues(s.run)
		s.last.Sent = saved.Sent && saved.continues(s.run)
		s.last.UID, s.last.Run = s.run.UID, s.run.Run
		at = s.cursor()
		s.owe()
		return nil
	})
	return at, err
}

func (s *sourceStore) cursor() source.Cursor {
	return source.Cursor{
		Revision: s.last.Revision, LastEventID: s.last.LastEventID, Sent: s.last.Sent, Complete: s.last.Complete,
	}
}

// lastIn returns the newest cursor in history, of whatever run or source of the name.
func (s *sourceStore) lastIn(ctx context.Context, h *history) (rec cursorRecord, seq uint64, err error) {
	m, found, err := h.stored(ctx, storedQuery{LastBySubject: s.subject})
	if err != nil || !found {
		return rec, 0, err
	}
	if err := json.Unmarshal(m.Data, &rec); err != nil { // a native client's; it counts as none
		s.broker.config.Logger.Warn("source's cursor is not readable", "tenant", s.tenant, "source", s.name, "error", err)
		rec = cursorRecord{}
	}
	return rec, m.Seq, nil
}

// Append implements source.Store.
func (s *sourceStore) Append(ctx context.Context, at source.Cursor, outputs []source.Output, to source.Cursor) (now source.Cursor, err error) {
	if len(outputs) > source.MaxOutputs {
		return now, fmt.Errorf("store %d outputs: %w", len(outputs), ErrTooBig)
	}
	next := s.run
	next.Revision, next.LastEventID, next.Complete = at.Revision+1, to.LastEventID, to.Complete
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

// checkRun returns an ErrConflict if rec, a cursor that was found, is of a later run than the store's.
// One of another source of the name is, if the registry has that source now.
func (s *sourceStore) checkRun(ctx context.Context, rec cursorRecord) error {
	switch {
	case rec.UID == "", rec.UID == s.run.UID && rec.Run <= s.run.Run:
		return nil
	case rec.UID != s.run.UID:
		if err := s.broker.registry.sync(ctx); err != nil {
			return err
		}
		if s.wanted() {
			return nil
		}
	}
	return fmt.Errorf("run %d of the source is over: %w", s.run.Run, source.ErrConflict)
}

// MarkSent implements source.Store. The mark is in the copy alone, since it must outlast history.
func (s *sourceStore) MarkSent(ctx context.Context, at source.Cursor) (now source.Cursor, err error) {
	err = s.with(ctx, "mark request", func(ctx context.Context, _ *history) error {
		if at.Revision != s.last.Revision {
			return source.ErrConflict
		}
		next := s.last
		next.Sent, next.SentBy = true, s.nonce
		err := s.broker.cursors.change(ctx, s.key, func(saved cursorRecord, _ bool) (cursorRecord, bool, error) {
			if err := s.checkRun(ctx, saved); err != nil {
				return saved, false, err
			}
			if saved.UID == next.UID && saved.Revision > next.Revision {
				return saved, false, source.ErrConflict
			}
			if saved.Sent && saved.continues(next) {
				if saved.SentBy != s.nonce {
					return saved, false, source.ErrConflict
				}
				return saved, false, nil
			}
			return next, true, nil
		})
		if err == nil {
			s.last.Sent = true
			now = s.cursor()
		}
		return err
	})
	return now, err
}

// with calls use with the tenant's history while no other call is under way, if the run is still the
// source's.
func (s *sourceStore) with(ctx context.Context, what string, use func(ctx context.Context, h *history) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.broker.acquire(ctx, s.tenant)
	if err != nil {
		return err
	}
	defer l.release()
	if !s.wanted() {
		return fmt.Errorf("%s: run %d of the source is over: %w", what, s.run.Run, source.ErrConflict)
	}
	h, err := l.history(ctx)
	if err != nil {
		return err
	}
	ctx, stop := l.within(ctx)
	defer stop()
	if err := use(ctx, h); err != nil {
		return l.failed(what, err)
	}
	return nil
}

// wanted tells whether no user has ended the run for another, or with the source.
func (s *sourceStore) wanted() bool {
	v, ok := s.broker.registry.view(s.tenant)
	return ok && v.Sources[s.name].uid == s.run.UID && v.Sources[s.name].Run == s.run.Run
}

// owe has the cursor copied in time.
func (s *sourceStore) owe() {
	if s.copied {
		return
	}
	delay := maxCursorDelay
	if v, ok := s.broker.registry.view(s.tenant); ok {
		quotas := v.Tenant.Quotas
		size := cmp.Or(quotas.HistoryBytes, defaultHistoryBytes)
		delay = min(delay, time.Duration(size/maxFillRate)*time.Second)
		if age, err := quotas.age(); err == nil {
			delay = min(delay, age/4)
		}
	}
	s.broker.cursors.owe(s, max(delay, minCursorDelay))
}

// save writes the cursor's copy, if that is still wanted. errBusy if the store is being used.
func (s *sourceStore) save(ctx context.Context) error {
	if !s.mu.TryLock() {
		return errBusy
	}
	defer s.mu.Unlock()
	if s.copied || !s.wanted() {
		return nil
	}
	next := s.last
	next.Digest = ""
	err := s.broker.cursors.change(ctx, s.key, func(saved cursorRecord, _ bool) (cursorRecord, bool, error) {
		if err := s.checkRun(ctx, saved); err != nil {
			return saved, false, ignoreConflict(err)
		}
		if saved.UID == next.UID && saved.Revision >= next.Revision {
			return saved, false, nil
		}
		rec := next
		if rec.Sent = saved.Sent && saved.continues(next); rec.Sent {
			rec.SentBy = saved.SentBy
		}
		return rec, true, nil
	})
	s.copied = err == nil
	return err
}

// ignoreConflict is for a copy, of which a later run has its own.
func ignoreConflict(err error) error {
	if errors.Is(err, source.ErrConflict) {
		return nil
	}
	return err
}

// digestOutputs tells one call of Append from another.
func digestOutputs(outputs []source.Output, to source.Cursor) string {
	h := sha256.New()
	for _, o := range outputs {
		hashText(h, o.Subject, o.Name, o.Data, o.Key, o.ID)
	}
	hashText(h, to.LastEventID, strconv.FormatBool(to.Complete))
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
