package web

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
)

// lookups let those who miss something ask the registry's leader, since another node may have written
// it a moment ago. They ask together: whoever comes while one asks waits for the next asking. So
// requests for what does not exist cost the leader no more than a steady trickle.
type lookups struct {
	look func(ctx context.Context) error // until this node knows all that was written before
	turn chan struct{}                   // cap 1: held by who asks

	mu   sync.Mutex
	next *lookup   // that has not begun; nil if nobody waits
	last time.Time // when the last one began
}

// lookup is one asking.
type lookup struct {
	done chan struct{}
	err  error // once done is closed
}

const (
	lookEvery = 50 * time.Millisecond // at most
	lookTime  = 2 * time.Second       // for the leader to answer
)

func newLookups(look func(ctx context.Context) error) *lookups {
	return &lookups{look: look, turn: make(chan struct{}, 1)}
}

// fresh returns once this node knows all that was written before the call, or the reason why that is
// not to be had now.
func (ls *lookups) fresh(ctx context.Context) error {
	ls.mu.Lock()
	l, first := ls.next, ls.next == nil
	if first {
		l = &lookup{done: make(chan struct{})}
		ls.next = l
	}
	ls.mu.Unlock()
	if first { // and goes through with it, even if its own caller leaves
		l.err = ls.ask(context.WithoutCancel(ctx))
		close(l.done)
	}
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ask waits for its turn and asks. Those who come once it has begun need another.
func (ls *lookups) ask(ctx context.Context) error {
	ls.turn <- struct{}{}
	defer func() { <-ls.turn }()
	time.Sleep(lookEvery - time.Since(ls.last))
	ls.mu.Lock()
	ls.next, ls.last = nil, time.Now()
	ls.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	return ls.look(ctx)
}

// lookFresh is for lookups.
func (s *Server) lookFresh(ctx context.Context) error {
	_, err := s.broker.Fresh(ctx, "") // which is no tenant's name: all that was written is waited for
	if errors.Is(err, broker.ErrNotFound) {
		return nil
	}
	return err
}

// again tells whether a call that ended with err is to be made once more, with all that other nodes
// have written; the error says that this cannot be had now. On a node that is alone nothing is missed.
func (s *Server) again(ctx context.Context, err error) (bool, error) {
	if err == nil || s.broker.Alone() || !missed(err) {
		return false, err
	}
	if err := s.lookups.fresh(ctx); err != nil {
		return false, err
	}
	return true, nil
}

// missed tells whether err may be for lack of news: what the request names is not known, or its token.
func missed(err error) bool {
	p := problemOf(err)
	return p.Status == http.StatusNotFound || p.unknown
}

// isUnknown marks a problem that a name or a token is to blame for which another node may know.
func (p *problem) isUnknown() *problem {
	p.unknown = true
	return p
}
