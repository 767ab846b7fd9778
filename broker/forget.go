package broker

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// RefusedError says why what an operator wants would do harm.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// codeNotMember is of a server that is not, or no more, in the group of nodes that keep data.
const codeNotMember = 10044

// ForgetNode removes a node that is gone for good from the cluster: it counts for the majority no more,
// and its copies are made anew on nodes that have none, now or when such a node comes. ErrNotFound if
// there is none of this name, a *RefusedError if it lives or the others that do are too few.
func (b *Broker) ForgetNode(ctx context.Context, node string) error {
	all, err := b.Nodes(ctx)
	if err != nil {
		return err
	}
	var gone *NodeStatus
	core, alive := 0, 0
	for i := range all {
		if all[i].Node == node {
			gone = &all[i]
		}
		if all[i].Role == roleCore {
			core++
			if all[i].Answers {
				alive++
			}
		}
	}
	switch {
	case gone == nil:
		return fmt.Errorf("node %s: %w", node, ErrNotFound)
	case gone.Answers:
		return &RefusedError{"it lives; stop it first"}
	case gone.Role == roleCore && alive <= core/2:
		return &RefusedError{fmt.Sprintf("%d of %d nodes that keep data answer, which is no majority; start others first", alive, core)}
	}
	if gone.Role == roleCore {
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
