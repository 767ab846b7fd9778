package broker

import "context"

// Hold waits until nobody else has key, on any node, and takes it until release is called. The
// context that it returns ends with ctx, at release, or when the node must let go of the key: then
// its cause is ErrLost, or ErrClosed at the broker's end. What must not be done twice even in the
// moment when one node has lost the key and does not know it yet needs a compare-and-swap of its
// own. Hold is safe for concurrent use.
func (b *Broker) Hold(ctx context.Context, key string) (held context.Context, release func(), err error) {
	if err := b.serving(ctx); err != nil {
		return nil, nil, err
	}
	for {
		free := b.takeKey(key)
		if free == nil {
			break
		}
		select {
		case <-free:
		case <-b.ctx.Done():
			return nil, nil, ErrClosed
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	held, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(b.ctx, func() { cancel(ErrClosed) })
	return held, func() {
		stop()
		cancel(nil)
		b.freeKey(key)
	}, nil
}

// takeKey takes key for the caller and returns nil, or what is closed once it may be free.
func (b *Broker) takeKey(key string) (free <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if taken, ok := b.held[key]; ok {
		return taken
	}
	b.held[key] = make(chan struct{})
	return nil
}

func (b *Broker) freeKey(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.held[key])
	delete(b.held, key)
}
