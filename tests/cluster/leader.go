package cluster

import "time"

// Lead is something that one node of a cluster leads.
type Lead string

// What is led.
const (
	Metadata Lead = "metadata" // of all streams: who makes and removes them
	History  Lead = "history"  // of a tenant: who stores what is published
)

// said is what the node's log says when it begins to lead.
func (l Lead) said() string {
	if l == Metadata {
		return "Self is new JetStream cluster metadata leader"
	}
	return " > EV'" // the end of: JetStream cluster new stream leader for '(account) > EV'
}

// Leader is the index of the node that leads; of several tenants' histories, one that was led anew last.
// It goes by the nodes' logs, so it may be some moments late. Where nobody leads yet it waits.
func (c *Cluster) Leader(of Lead) int {
	c.t.Helper()
	for deadline := time.Now().Add(readyWithin); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if leader, ok := c.leader(of); ok {
			return leader
		}
	}
	c.t.Fatalf("no node has said that it leads the %s", of)
	return 0
}

func (c *Cluster) leader(of Lead) (leader int, ok bool) {
	var since time.Time
	for i, n := range c.Nodes {
		if led := n.out.led(of); led.After(since) {
			leader, since = i, led
		}
	}
	return leader, !since.IsZero()
}
