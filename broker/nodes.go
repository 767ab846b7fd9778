package broker

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Node is what the registry knows of a node, which may be dead.
type Node struct {
	Name string
	Edge bool      // it keeps no data
	Seen time.Time // when it last wrote to the registry, by the clock of the registry's leader; zero is never
}

// KnownNodes are the nodes of the cluster, by name: all that have ever been in it and were not forgotten.
// This one is among them. Before the Broker is ready there are none.
func (b *Broker) KnownNodes() []Node {
	if !b.isReady() {
		return nil
	}
	all := b.registry.knownNodes()
	if _, known := all[b.config.Node]; !known {
		all[b.config.Node] = Node{Name: b.config.Node, Edge: b.config.edge()}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
}

// Leads tells whether this node leads the group of those that keep data. One that is alone does; on an
// external NATS none does.
func (b *Broker) Leads() bool { return b.isReady() && b.node != nil && b.node.leadsAll() }
