package broker

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/broker/source"
)

// EndSource keeps how the source's run, as it is in v, has come to its end for good: done, failed, or
// stopped by its plugin. No node begins the run again; only a user does, by another. It keeps nothing
// if a user has ended the run since, or deleted the source, which must be in v. It is beside the
// source's cursor, where no tenant's quota is in its way.
func (b *Broker) EndSource(ctx context.Context, v *View, name string, end source.Status) error {
	s := b.sourceStore(v, name)
	err := b.cursors.change(ctx, s.key, func(saved cursorRecord, _ bool) (cursorRecord, bool, error) {
		if !s.wanted() {
			return saved, false, nil
		}
		if err := s.checkRun(ctx, saved); err != nil {
			return saved, false, ignoreConflict(err)
		}
		rec := s.run
		if saved.UID == rec.UID { // how far it has come stays, what was of an earlier run does not
			rec = rec.keep(saved)
			rec.Revision, rec.LastEventID = saved.Revision, saved.LastEventID
			rec.Ended, rec.Complete = saved.Ended && saved.continues(rec), saved.Complete && saved.continues(rec)
		}
		rec.End = &end
		return rec, true, nil
	})
	if err != nil {
		return fmt.Errorf("keep the end of source %s: %w", name, err)
	}
	return nil
}

// SourceEnd returns how the source's run, as it is in v, has come to its end; ok is false if it has not.
func (b *Broker) SourceEnd(ctx context.Context, v *View, name string) (end source.Status, ok bool, err error) {
	s := b.sourceStore(v, name)
	rec, err := b.cursors.read(ctx, s.key)
	if err != nil || rec.End == nil || !rec.continues(s.run) {
		return end, false, err
	}
	return *rec.End, true, nil
}
