package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

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
func (b *Broker) SourceStore(v *View, name string) source.Store { return b.sourceStore(v, name) }

func (b *Broker) sourceStore(v *View, name string) *sourceStore {
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
		s.last.Ended = last.Ended && last.continues(s.run)
		s.last.Complete = last.Complete && last.continues(s.run)
		s.last.Sent = saved.Sent && saved.continues(s.run)
		s.last.UID, s.last.Run, s.last.End = s.run.UID, s.run.Run, nil
		at = s.cursor()
		s.owe()
		return nil
	})
	return at, err
}

func (s *sourceStore) cursor() source.Cursor {
	return source.Cursor{
		Revision: s.last.Revision, LastEventID: s.last.LastEventID,
		Sent: s.last.Sent, Ended: s.last.Ended, Complete: s.last.Complete,
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
