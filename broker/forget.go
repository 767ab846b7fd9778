package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// RefusedError says why what an operator wants would do harm.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// codeNotMember is of a server that is not, or no more, in the group of nodes that keep data.
const codeNotMember = 10044

// ForgetNode removes a node that is gone for good from the cluster: it counts for the majority no more,
// and its copies are made anew on nodes that have none, now or when such a node comes. ErrNotFound if
// there is none of this name, a *RefusedError if it lives or those that do are too few.
func (b *Broker) ForgetNode(ctx context.Context, node string) error {
	if err := b.serving(ctx); err != nil {
		return err
	}
	known := b.KnownNodes()
	at := slices.IndexFunc(known, func(n Node) bool { return n.Name == node })
	if at < 0 {
		return fmt.Errorf("node %s: %w", node, ErrNotFound)
	}
	if node == b.config.Node || b.members == nil {
		return &RefusedError{"it is this one, and lives"}
	}
	if !b.members.knows() {
		return &RefusedError{"the node that is asked has just started and may not have heard of it yet; repeat it in some seconds"}
	}
	living, core := b.members.living(), b.registry.nodeCount()
	switch {
	case slices.Contains(living, node):
		return &RefusedError{"it lives; stop it first"}
	case !known[at].Edge && len(living) <= core/2:
		return &RefusedError{fmt.Sprintf("%d of %d nodes that keep data live, which is no majority; start others first", len(living), core)}
	}
	if !known[at].Edge {
		if err := retry(ctx, func(ctx context.Context) error { return b.removePeer(ctx, node) }); err != nil {
			return fmt.Errorf("forget node %s: %w", node, err)
		}
	}
	return b.registry.forgetNode(ctx, node)
}

// removePeer takes a node out of the group of those that keep data; it is no error if it is not in it.
func (b *Broker) removePeer(ctx context.Context, node string) error {
	body, err := json.Marshal(map[string]string{"peer": node})
	if err != nil {
		return err
	}
	m, err := b.system.RequestWithContext(ctx, "$JS.API.SERVER.REMOVE", body)
	if err != nil {
		return err
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return err
	}
	if answer.Error != nil && !hasCode(answer.Error, codeNotMember) {
		return answer.Error
	}
	return nil
}
