package web

import (
	"context"
	"sync"

	"github.com/millrace/millrace/broker"
)

// channels are the node's channels.
type channels struct {
	server *Server

	mu    sync.Mutex
	byKey map[string]*channel
	wg    sync.WaitGroup
	ctx   context.Context // set by run; pumps end with it
	ready chan struct{}   // closed when ctx is set
}

func newChannels(s *Server) *channels {
	return &channels{server: s, byKey: map[string]*channel{}, ready: make(chan struct{})}
}

// run lends pumps a context to live in, and waits for them.
func (cs *channels) run(ctx context.Context) {
	cs.ctx = ctx
	close(cs.ready)
	<-ctx.Done()
	cs.mu.Lock()
	for _, ch := range cs.byKey {
		ch.cancel(context.Canceled)
	}
	cs.mu.Unlock()
	cs.wg.Wait()
}

// join gives the channel for a route and subjects, made if it is the first viewer's. Unless it
// returns an error, a leave must follow.
func (cs *channels) join(ctx context.Context, r *route, subjects []string, t transform) (*channel, error) {
	select {
	case <-cs.ready:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ch, err := cs.enter(r, subjects, t)
	if err != nil {
		return nil, err
	}
	select {
	case <-ch.opened:
		err = ch.openErr
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		cs.leave(ch)
		return nil, err
	}
	return ch, nil
}

// enter counts one more viewer on the channel, and starts it for the first.
func (cs *channels) enter(r *route, subjects []string, t transform) (*channel, error) {
	key := r.channelKey(subjects)
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if ch := cs.byKey[key]; ch != nil && ch.alive() {
		ch.viewers++
		return ch, nil
	}
	if t.callback != nil && !t.callback.hold() {
		return nil, errEnded
	}
	ctx, cancel := context.WithCancelCause(cs.ctx)
	ch := &channel{
		key: key, bound: cs.server.config.RingBytes, viewers: 1, cancel: cancel,
		wake: make(chan struct{}), opened: make(chan struct{}),
	}
	cs.byKey[key] = ch
	cs.wg.Go(func() {
		defer cancel(nil)
		if t.callback != nil {
			defer t.callback.drop()
		}
		cs.live(ctx, ch, r.tenant, subjects, &t)
	})
	return ch, nil
}

// live is a channel's life: subscribe, and pump until ctx ends or the stream does.
func (cs *channels) live(ctx context.Context, ch *channel, tenant string, subjects []string, t *transform) {
	sub, err := cs.server.broker.Subscribe(ctx, tenant, subjects, broker.From{})
	if err != nil {
		ch.openErr = err
		ch.end(err)
		close(ch.opened)
		return
	}
	defer sub.Close()
	start := sub.Start().Position
	ch.epoch, ch.base, ch.head = start.Epoch, start.Seq, start.Seq
	close(ch.opened)
	ch.end(ch.pump(ctx, sub, t))
}

// leave ends the channel with its last viewer.
func (cs *channels) leave(ch *channel) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if ch.viewers--; ch.viewers > 0 {
		return
	}
	ch.cancel(errEnded)
	if cs.byKey[ch.key] == ch {
		delete(cs.byKey, ch.key)
	}
}
