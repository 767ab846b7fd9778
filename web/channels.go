package web

import (
	"context"
	"sync"

	"github.com/millrace/millrace/abi"
)

// channels are the node's channels.
type channels struct {
	server *Server

	mu    sync.Mutex
	byKey map[string]*channel
	wg    sync.WaitGroup
	ctx   context.Context // set by run; channels end with it
	ready chan struct{}   // closed when ctx is set
}

func newChannels(s *Server) *channels {
	return &channels{server: s, byKey: map[string]*channel{}, ready: make(chan struct{})}
}

// run lends channels a context to live in, and waits for them.
func (cs *channels) run(ctx context.Context) {
	cs.ctx = ctx
	close(cs.ready)
	<-ctx.Done()
	cs.wg.Wait()
}

// join gives the channel for a route and subjects, made if it is the first viewer's. Unless it
// returns an error, a leave must follow.
func (cs *channels) join(ctx context.Context, r *route, subjects []string) (*channel, error) {
	select {
	case <-cs.ready:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ch, err := cs.enter(r, subjects)
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
func (cs *channels) enter(r *route, subjects []string) (*channel, error) {
	key := r.channelKey(subjects)
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if ch := cs.byKey[key]; ch != nil && !ch.over.Load() {
		ch.viewers++
		return ch, nil
	}
	if r.callback != nil && !r.callback.hold() {
		return nil, errEnded
	}
	ch := &channel{
		server: cs.server, key: key, tenant: r.tenant, subjects: subjects, viewers: 1,
		transform: cs.server.transform(r, abi.Request{Tenant: r.tenant, Route: r.name}),
		opened:    make(chan struct{}),
	}
	ch.ctx, ch.cancel = context.WithCancel(cs.ctx)
	cs.byKey[key] = ch
	cs.wg.Go(func() {
		defer ch.cancel()
		if r.callback != nil {
			defer r.callback.drop()
		}
		ch.run()
	})
	return ch, nil
}

// leave ends the channel with its last viewer. It does not block.
func (cs *channels) leave(ch *channel) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if ch.viewers--; ch.viewers > 0 {
		return
	}
	ch.cancel()
	if cs.byKey[ch.key] == ch {
		delete(cs.byKey, ch.key)
	}
}
