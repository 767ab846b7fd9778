package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// NodeStatus is a node as it tells of itself, or what others remember of one that does not answer.
type NodeStatus struct {
	Node     string    `json:"node"`
	Role     string    `json:"role" enum:"core,edge" doc:"core keeps data; edge keeps none and only carries viewers"`
	Answers  bool      `json:"answers" doc:"Whether it has just answered; if not, only its name, its role and when it was seen are known"`
	Version  string    `json:"version,omitempty"`
	Ready    bool      `json:"ready"`
	Reason   string    `json:"reason,omitempty" doc:"Why it is not ready"`
	Draining bool      `json:"draining"`
	Viewers  int       `json:"viewers"`
	Leases   int       `json:"leases" doc:"Single pieces of work that it holds, such as sources"`
	Leader   bool      `json:"leader" doc:"Whether it leads the storage's group of nodes"`
	Seen     time.Time `json:"seen,omitzero" doc:"When it answered, or last wrote to the registry"`
}

// Roles of nodes.
const (
	roleCore = "core"
	roleEdge = "edge"
)

func (c Config) role() string {
	if c.edge() {
		return roleEdge
	}
	return roleCore
}

const (
	askSubject   = "node.ask" // all nodes answer
	orderSubject = "node.do." // and a node's name: that node answers
	askTime      = 2500 * time.Millisecond
	maxAnswering = 8 // questions that a node answers at once; more are not answered
)

// order is what a node is asked to do. Without Drain it only tells of itself.
type order struct {
	Drain *bool `json:"drain,omitempty"`
}

// Nodes are all nodes that the cluster knows, by name: those that answer as they tell of themselves. It
// waits for an answer of each, at most two and a half seconds.
func (b *Broker) Nodes(ctx context.Context) ([]NodeStatus, error) {
	if err := b.serving(ctx); err != nil {
		return nil, err
	}
	all := b.knownNodes()
	answers := make(chan *nats.Msg, 256)
	inbox := b.app.NewRespInbox()
	sub, err := b.app.ChanSubscribe(inbox, answers)
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe()
	if err := b.app.PublishRequest(askSubject, inbox, nil); err != nil {
		return nil, err
	}
	timer := time.NewTimer(askTime)
	defer timer.Stop()
	for waiting := len(all); waiting > 0; {
		select {
		case m := <-answers:
			var s NodeStatus
			if json.Unmarshal(m.Data, &s) == nil && !all[s.Node].Answers {
				all[s.Node] = s
				waiting--
			}
		case <-timer.C:
			waiting = 0
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b NodeStatus) int { return cmp.Compare(a.Node, b.Node) }), nil
}

// Node is what a node tells of itself. ErrNotFound if there is none of this name, ErrUnavailable if it
// does not answer.
func (b *Broker) Node(ctx context.Context, node string) (NodeStatus, error) {
	return b.tell(ctx, node, order{})
}

// DrainNode asks a node, which may be this one, to drain or to stop that, and returns what it tells of
// itself then. Errors as Node.
func (b *Broker) DrainNode(ctx context.Context, node string, on bool) (NodeStatus, error) {
	return b.tell(ctx, node, order{Drain: &on})
}

// knownNodes are all that the registry knows, and this one.
func (b *Broker) knownNodes() map[string]NodeStatus {
	all := b.registry.knownNodes()
	if _, known := all[b.config.Node]; !known {
		all[b.config.Node] = NodeStatus{Node: b.config.Node, Role: b.config.role()}
	}
	return all
}

// tell gives an order to one node. It is repeated once: to have drained twice is the same as once.
func (b *Broker) tell(ctx context.Context, node string, o order) (s NodeStatus, err error) {
	if err := b.serving(ctx); err != nil {
		return s, err
	}
	if _, known := b.knownNodes()[node]; !known {
		return s, fmt.Errorf("node %s: %w", node, ErrNotFound)
	}
	body, err := json.Marshal(o)
	if err != nil {
		return s, err
	}
	for range 2 {
		var m *nats.Msg
		attempt, cancel := context.WithTimeout(ctx, askTime)
		m, err = b.app.RequestWithContext(attempt, orderSubject+node, body)
		cancel()
		if err == nil {
			return s, json.Unmarshal(m.Data, &s)
		}
	}
	return s, fmt.Errorf("%w: node %s: %w", ErrUnavailable, node, err)
}

// askable subscribes to the questions of other nodes, and this one's own. The subscriptions end with the
// connection.
func (b *Broker) askable() (<-chan *nats.Msg, error) {
	asked := make(chan *nats.Msg, 64) // what does not fit is asked again
	for _, subject := range []string{askSubject, orderSubject + b.config.Node} {
		if _, err := b.app.ChanSubscribe(subject, asked); err != nil {
			return nil, fmt.Errorf("listen to other nodes: %w", err)
		}
	}
	return asked, nil
}

// answerNodes answers questions from when the broker is ready until it ends.
func (b *Broker) answerNodes(asked <-chan *nats.Msg) {
	select {
	case <-b.ready:
	case <-b.ctx.Done():
		return
	}
	var answering sync.WaitGroup
	defer answering.Wait()
	slots := make(chan struct{}, maxAnswering)
	for {
		select {
		case m := <-asked:
			select {
			case slots <- struct{}{}:
				answering.Go(func() {
					b.answer(m)
					<-slots
				})
			default: // who asks will ask again
			}
		case <-b.ctx.Done():
			return
		}
	}
}

// answer does what a node was asked, and tells of it.
func (b *Broker) answer(m *nats.Msg) {
	var o order
	if len(m.Data) > 0 && json.Unmarshal(m.Data, &o) != nil {
		return
	}
	if o.Drain != nil {
		b.config.Drain(*o.Drain)
	}
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
	defer cancel()
	data, err := json.Marshal(b.self(ctx))
	if err != nil {
		b.config.Logger.Error("node cannot tell of itself", "error", err)
		return
	}
	m.Respond(data) // an answer that is lost is asked for again
}

// self is what this node tells of itself.
func (b *Broker) self(ctx context.Context) NodeStatus {
	b.mu.Lock()
	held := len(b.held)
	b.mu.Unlock()
	s := NodeStatus{
		Node: b.config.Node, Role: b.config.role(), Answers: true, Leases: held, Leader: b.node.leadsAll(),
		Seen: time.Now().UTC().Truncate(time.Millisecond),
	}
	b.config.Tell(ctx, &s)
	return s
}
