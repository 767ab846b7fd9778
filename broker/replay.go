package broker

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/millrace/millrace/abi"
)

// replay is one step through history: what matches after the cursor, up to a bound.
func (s *Subscription) replay(caller context.Context) ([]*abi.Event, uint64, error) {
	s.hub.behind.Add(1)
	defer s.hub.behind.Add(-1)
	ctx, stop := s.within(caller)
	defer stop()
	var events []*abi.Event
	var through uint64
	err := retry(ctx, func(ctx context.Context) (err error) {
		if events, through, err = s.readMerged(ctx); err != nil {
			return err
		}
		return s.checkReach()
	})
	if err != nil {
		return nil, s.cursor, cmp.Or(s.ended(), caller.Err(), err)
	}
	s.cursor, s.oldest = through, false
	s.batch = min(4*s.batch, readEvents)
	s.link.broker.counts.replayed.Add(uint64(len(events)))
	return events, s.cursor, nil
}

// within bounds a step by ctx and the end of the hub.
func (s *Subscription) within(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.hub.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// checkReach returns ErrGone if what follows the cursor may have left history before it was read.
// The question must be younger than the reading.
func (s *Subscription) checkReach() error {
	if s.oldest {
		return nil
	}
	x, err := s.hub.reach(time.Now())
	if err != nil {
		return err
	}
	if s.cursor+1 < x.First {
		return ErrGone
	}
	return nil
}

// readMerged reads after the cursor for each pattern, and returns what they have in common: the
// events up to the sequence that the least far reading came to.
func (s *Subscription) readMerged(ctx context.Context) ([]*abi.Event, uint64, error) {
	// Everything up to the floor was stored before the reading began, so a whole reading has it.
	floor := s.filter.begin()
	var all []*abi.Event
	through := uint64(0)
	for i, pattern := range s.filter.patterns {
		msgs, whole, err := s.hub.history.read(ctx, reading{
			Seq: s.cursor + 1, Batch: s.batch, Subject: eventPrefix + pattern,
		})
		if err != nil {
			return nil, 0, err
		}
		last := s.cursor
		for _, m := range msgs {
			last = sequence(m)
			if e := s.hub.history.event(m, true); covers(pattern, e.Subject) {
				all = append(all, e)
			}
		}
		if whole {
			if err := s.hub.history.complete(ctx, pattern, last+1, floor); err != nil {
				return nil, 0, err
			}
			last = max(last, floor)
		}
		if i == 0 || last < through {
			through = last
		}
	}
	slices.SortFunc(all, func(a, b *abi.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	all = slices.CompactFunc(all, func(a, b *abi.Event) bool { return a.Seq == b.Seq })
	end, _ := slices.BinarySearchFunc(all, through+1, func(e *abi.Event, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	return all[:end:end], through, nil
}
