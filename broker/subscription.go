package broker

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/millrace/millrace/abi"
)

const (
	maxPatterns = 64
	maxStep     = 256 // events that Next returns at most from memory
)

// From says where a subscription begins. The zero value is live: with the next event.
type From struct {
	After    string    // the id of the last event seen, as Position writes it
	Earliest bool      // with the oldest event that is kept
	Since    time.Time // with the first event stored at or after it

	Step int // events that the first step through history reads, 32 to 512; later ones read more
}

// Start is where a subscription began.
type Start struct {
	Position Position // the id that a reader has who has seen nothing yet
	Gap      bool     // history no longer reaches back to the asked-for id; events may be missing
	Reset    bool     // the id is of another history, from the future, or none: it begins live
	Oldest   Position // of the oldest event kept, when Gap
}

// Subscription is a cursor into a tenant's history. It keeps no events of its own, so one that is
// read slowly costs nothing. Next is for one goroutine at a time; Close for any.
type Subscription struct {
	link   *link
	hub    *hub
	filter *filter
	start  Start
	cursor uint64 // everything matching up to it was returned
	oldest bool   // nothing was read yet, and it is to begin wherever history begins
	batch  int    // events that the next step through history reads, from few to many

	doubted time.Time // since when history seems to end before where the subscription is to begin

	once   sync.Once
	closed chan struct{}
}

// Subscribe returns a subscription to the events of tenant that match one of subjects, 1 to 64
// patterns. A subject that begins with _ is covered only by a pattern that begins with the same token.
// It must be closed. Errors: ErrNotFound (tenant), *InvalidError, ErrUnavailable.
func (b *Broker) Subscribe(ctx context.Context, tenant string, subjects []string, from From) (*Subscription, error) {
	if len(subjects) < 1 || len(subjects) > maxPatterns {
		return nil, invalid("subjects", "are %d, not 1 to %d", len(subjects), maxPatterns)
	}
	for _, subject := range subjects {
		if err := ValidPattern(subject); err != nil {
			return nil, err
		}
		if internal(subject) {
			return nil, invalid("subject", "begins with %s, which is kept for the server", sourceSubject)
		}
	}
	l, err := b.acquire(ctx, tenant)
	if err != nil {
		return nil, err
	}
	s := &Subscription{link: l, batch: min(max(from.Step, firstRead), readEvents), closed: make(chan struct{})}
	after, _ := ParsePosition(from.After)
	if s.hub, err = l.attach(ctx, after); err != nil {
		l.release()
		return nil, err
	}
	b.counts.subscriptions.Add(1)
	s.filter = s.hub.filter(minimalPatterns(subjects))
	ctx, stop := l.within(ctx)
	defer stop()
	if err := retry(ctx, func(ctx context.Context) error { return s.begin(ctx, from) }); err != nil {
		s.Close()
		return nil, l.failed("subscribe", err)
	}
	return s, nil
}

// Start tells where the subscription began.
func (s *Subscription) Start() Start { return s.start }

// Close ends the subscription; a Next under way returns ErrClosed.
func (s *Subscription) Close() {
	s.once.Do(func() {
		close(s.closed)
		s.hub.leave(s.filter)
		s.link.release()
		s.link.broker.counts.subscriptions.Add(-1)
	})
}

// Next returns the next matching events, in order, nothing lost and nothing twice, and the sequence
// up to which everything matching has now been returned. It waits only at the live end; a step
// through history may return no events but a later sequence. The events are shared: they must not
// be changed. Those still in memory count as live, others are Replayed.
//
// When ctx ends, its error comes with a sequence that is good too. Other errors end the
// subscription: ErrGone when history was cut off faster than it was read, or is another now;
// ErrNotFound when the tenant was deleted; ErrClosed.
func (s *Subscription) Next(ctx context.Context) (events []*abi.Event, seq uint64, err error) {
	return s.NextUpTo(ctx, math.MaxUint64)
}

// NextUpTo is Next for who wants nothing beyond a sequence: at the live end it returns no events,
// and does not wait, once everything matching up to there has been returned. It may return more.
func (s *Subscription) NextUpTo(ctx context.Context, upTo uint64) (events []*abi.Event, seq uint64, err error) {
	for recalled := false; ; {
		if err := s.ended(); err != nil {
			return nil, s.cursor, err
		}
		passed := s.hub.passed.Load() // before the list is read, see hub.pass
		events, wake, behind := s.filter.read(s.cursor, maxStep)
		if behind {
			// Alone it gets its first event sooner by itself.
			if recalled || s.hub.behind.Load() == 0 || !s.hub.recall(ctx, s.cursor) {
				return s.replay(ctx)
			}
			recalled = true
			continue
		}
		s.oldest = false
		if len(events) > 0 {
			s.cursor = events[len(events)-1].Seq
			if len(events) < maxStep {
				s.cursor = max(s.cursor, passed)
			}
			return events, s.cursor, nil
		}
		s.cursor = max(s.cursor, passed)
		if s.cursor >= upTo {
			return nil, s.cursor, nil
		}
		select {
		case <-wake:
		case <-s.hub.ctx.Done():
		case <-s.closed:
		case <-ctx.Done():
			return nil, s.cursor, ctx.Err()
		}
	}
}

// ended is why nothing more can come.
func (s *Subscription) ended() error {
	select {
	case <-s.closed:
		return ErrClosed
	default:
		return context.Cause(s.hub.ctx)
	}
}
