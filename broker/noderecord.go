package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// nodeRecord is what the registry knows of a node.
type nodeRecord struct {
	edge bool
	seen time.Time // when it last wrote to it, by the clock of the registry's leader
}

// check writes the node's record and waits until the watch has shown it.
func (r *registry) check(ctx context.Context, node string) error {
	revision, err := r.kv.Put(ctx, r.kind+"."+node, []byte(strconv.FormatInt(time.Now().UnixMilli(), 10)))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return r.wait(ctx, revision)
}

// The kinds of nodes' records.
const (
	nodeKind = "nodes" // of those that keep data
	edgeKind = "edges"
)

// sawNode notes that entry is the record of a node, if it is.
func (r *registry) sawNode(entry jetstream.KeyValueEntry) {
	kind, node, _ := splitKey(entry.Key())
	if kind != nodeKind && kind != edgeKind {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := nodeRecord{kind == edgeKind, entry.Created()}
	switch old, known := r.nodes[node]; {
	case entry.Operation() == jetstream.KeyValuePut:
		r.nodes[node] = now
	case known && old.edge == now.edge:
		delete(r.nodes, node)
	}
}

// nodeCount is how many nodes keep data, dead ones too.
func (r *registry) nodeCount() (n int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, node := range r.nodes {
		if !node.edge {
			n++
		}
	}
	return n
}

// knownNodes are all nodes that have a record.
func (r *registry) knownNodes() map[string]Node {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make(map[string]Node, len(r.nodes))
	for name, node := range r.nodes {
		all[name] = Node{Name: name, Edge: node.edge, Seen: node.seen}
	}
	return all
}

// forgetNode removes a node's record.
func (r *registry) forgetNode(ctx context.Context, node string) error {
	err := errors.Join(ignoreNotFound(r.remove(ctx, nodeKind+"."+node)), ignoreNotFound(r.remove(ctx, edgeKind+"."+node)))
	if err != nil {
		return fmt.Errorf("forget node %s: %w", node, err)
	}
	return nil
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
