package broker

import "context"

// holding is a key that this node holds.
type holding struct {
	freed  chan struct{} // closed when it is let go
	cancel context.CancelCauseFunc
}

// Hold waits until nobody else has key, on any node, and takes it until release is called. The
// context that it returns ends with ctx, at release, or when the node must let go of the key: then
// its cause is ErrLost, or ErrClosed at the broker's end. Keys are shared out among the nodes that
// live; when one comes or goes some change hands, of a node that died after seven seconds or so.
//
// While nodes do not reach each other, two may hold a key. What must not be done twice even then
// needs a compare-and-swap of its own, as a source.Store has. Hold is safe for concurrent use.
func (b *Broker) Hold(ctx context.Context, key string) (held context.Context, release func(), err error) {
	if err := b.serving(ctx); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(b.ctx, func() { cancel(ErrClosed) })
	if err := b.take(ctx, cancel, key); err != nil {
		stop()
		cancel(nil)
		return nil, nil, err
	}
	return ctx, func() {
		stop()
		cancel(nil)
		b.free(key)
	}, nil
}

// take waits for key and takes it. cancel is called with ErrLost when it is another node's.
func (b *Broker) take(ctx context.Context, cancel context.CancelCauseFunc, key string) error {
	for {
		if b.rest.wait(ctx) != nil {
			return context.Cause(ctx)
		}
		if b.members != nil && b.members.wait(ctx, key) != nil {
			return context.Cause(ctx)
		}
		taken := b.takeHere(cancel, key)
		if taken == nil && b.owns(key) {
			return nil // from now on loseKeys sees it
		}
		if taken == nil {
			b.free(key)
			continue
		}
		select {
		case <-taken:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// takeHere takes key for the caller and returns nil, or what is closed once another caller on this
// node lets go of it.
func (b *Broker) takeHere(cancel context.CancelCauseFunc, key string) (taken <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h, ok := b.held[key]; ok {
		return h.freed
	}
	b.held[key] = holding{make(chan struct{}), cancel}
	return nil
}

func (b *Broker) free(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h, ok := b.held[key]; ok {
		close(h.freed)
		delete(b.held, key)
	}
}

// owns tells whether key is this node's rather than another's or, while the node rests, nobody's.
func (b *Broker) owns(key string) bool {
	return !b.rest.taken() && (b.members == nil || b.members.owns(key))
}

// loseKeys ends the contexts of those whose keys are not this node's any more.
func (b *Broker) loseKeys() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, h := range b.held {
		if !b.owns(key) {
			h.cancel(ErrLost)
		}
	}
}
