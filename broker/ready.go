package broker

import "context"

// Ready is closed once the registry is loaded and calls are served.
func (b *Broker) Ready() <-chan struct{} { return b.ready }

// isReady tells whether calls are served, or were.
func (b *Broker) isReady() bool {
	select {
	case <-b.ready:
		return true
	default:
		return false
	}
}

// Check publishes to the registry and reads it back, which every write depends on. In a cluster it
// looks first whether this node has all that it keeps a copy of: ErrBehind if it has just come back.
// Else the error is ErrUnavailable.
func (b *Broker) Check(ctx context.Context) error {
	if err := b.serving(ctx); err != nil {
		return err
	}
	if b.copies != nil {
		if err := b.copies.err(); err != nil {
			return err
		}
		if err := b.node.off(); err != nil {
			return err
		}
	}
	return b.registry.check(ctx, b.config.Node)
}
