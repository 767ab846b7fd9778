package broker

import (
	"context"
	"time"
)

// begin sets the cursor to where from asks for.
func (s *Subscription) begin(ctx context.Context, from From) error {
	switch {
	case from.After != "":
		return s.beginAfter(from.After)
	case from.Earliest:
		x, err := s.hub.reach(time.Now())
		if err != nil {
			return err
		}
		s.beginOldest(x)
		return nil
	case !from.Since.IsZero():
		return s.beginSince(ctx, from.Since)
	}
	s.beginLive()
	return nil
}

func (s *Subscription) beginLive() { s.beginAt(max(s.hub.passed.Load(), s.hub.begun)) }

func (s *Subscription) beginAt(seq uint64) {
	s.cursor = seq
	s.start.Position = s.position(seq)
}

func (s *Subscription) position(seq uint64) Position {
	return Position{Epoch: s.hub.history.epoch, Seq: seq}
}

// beginAfter continues after an id. With part of an event's outputs seen, it begins with that event.
func (s *Subscription) beginAfter(id string) error {
	p, ok := ParsePosition(id)
	if ok {
		p, ok = s.hub.history.current(p)
	}
	if !ok || p.Output > 0 && p.Seq == 0 {
		s.reset()
		return nil
	}
	cursor := p.Seq
	if p.Output > 0 {
		cursor--
	}
	if p.Seq > s.hub.passed.Load() || cursor < s.filter.begin() { // else all is in memory
		x, err := s.hub.reach(time.Now())
		switch {
		case err != nil:
			return err
		case p.Seq > max(x.Last, s.hub.passed.Load()):
			if s.link.broker.doubts(&s.doubted) {
				return errSettling
			}
			s.reset()
			return nil
		case cursor+1 < x.First:
			s.beginOldest(x)
			s.start.Gap, s.start.Oldest = true, s.position(x.First)
			return nil
		}
	}
	s.start.Position, s.cursor = p, cursor
	return nil
}

// beginOldest begins with the oldest event. While it is read, history may let go of more at that
// end; so the first step takes what is there.
func (s *Subscription) beginOldest(x extent) {
	s.beginAt(x.First - 1)
	s.oldest = true
}

func (s *Subscription) reset() {
	s.start.Reset = true
	s.beginLive()
}

// beginSince looks for the first event at or after t. If there is none it begins at the end that was
// known before it looked: what comes meanwhile is later than t.
func (s *Subscription) beginSince(ctx context.Context, t time.Time) error {
	x, err := s.hub.reach(time.Now())
	if err != nil {
		return err
	}
	msgs, _, err := s.hub.history.read(ctx, reading{Since: &t, Batch: 1})
	if err != nil {
		return err
	}
	if len(msgs) == 0 {
		if err := s.hub.history.before(ctx, x.Last, t); err != nil {
			return err
		}
		s.beginAt(x.Last)
	} else {
		s.beginAt(sequence(msgs[0]) - 1)
	}
	return nil
}
