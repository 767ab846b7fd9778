package broker

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/broker/source"
)

// MarkSent implements source.Store. The mark is in the copy alone, since it must outlast history.
func (s *sourceStore) MarkSent(ctx context.Context, at source.Cursor) (now source.Cursor, err error) {
	err = s.with(ctx, "mark request", func(ctx context.Context, _ *history) error {
		if at.Revision != s.last.Revision {
			return source.ErrConflict
		}
		next := s.last
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
			rec := next.keep(saved)
			rec.Sent, rec.SentBy = true, s.nonce
			return rec, true, nil
		})
		if err == nil {
			s.last.Sent = true
			now = s.cursor()
		}
		return err
	})
	return now, err
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
		return next.keep(saved), true, nil
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
