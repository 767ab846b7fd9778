package broker

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// join makes the node known to its cluster, if it is in one, and begins its membership.
func (b *Broker) join(ctx context.Context, app *nats.Conn) error {
	if !b.config.shared() {
		return nil
	}
	err := retry(ctx, func(ctx context.Context) error { return b.registry.check(ctx, b.config.Node) })
	if err != nil {
		return err
	}
	b.members = newMembers(b.config, app, b.registry.nodeCount, b.rest)
	if b.node != nil {
		b.copies = newCopies(b.node.late)
		b.start(func() { b.copies.run(ctx) })
	}
	b.start(func() {
		if err := b.members.run(ctx, b.moved); err != nil {
			b.config.Logger.Error("node is no member of its cluster", "error", err)
		}
	})
	return nil
}

// moved follows a change of who lives, or of whether this node is among them.
func (b *Broker) moved() {
	b.loseKeys()
	if b.copies != nil {
		b.copies.follow(b.members.apart(time.Now()) == 0)
	}
}
