package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/millrace/millrace/broker"
)

// nodeStatus is a node as it tells of itself, or what others remember of one that does not answer.
type nodeStatus struct {
	Node     string    `json:"node"`
	Role     string    `json:"role" enum:"core,edge" doc:"core keeps data; edge keeps none and only carries viewers"`
	Answers  bool      `json:"answers" doc:"Whether it has just answered; if not, only its name, its role and when it was seen are known"`
	Version  string    `json:"version"`
	Ready    bool      `json:"ready"`
	Reason   string    `json:"reason,omitempty" doc:"Why it is not ready"`
	Draining bool      `json:"draining"`
	Viewers  int       `json:"viewers"`
	Leases   int       `json:"leases" doc:"Single pieces of work that it holds, such as sources"`
	Behind   int       `json:"behind" doc:"Copies of streams and key-value stores that are not current"`
	Leader   bool      `json:"leader" doc:"Whether it leads the group of nodes that keep data"`
	Seen     time.Time `json:"seen,omitzero" doc:"When it answered, or last wrote to the registry"`
}

// nodeTopic is what nodes ask each other about themselves on.
const nodeTopic = "node"

// nodeOrder is what a node is asked to do. Without Drain it only tells of itself.
type nodeOrder struct {
	Drain *bool `json:"drain,omitempty"`
}

func question(o nodeOrder) []byte {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // one truth value
	}
	return b
}

// answerOrder does what another node asks of this one, and tells how it is then.
func (s *Server) answerOrder(ctx context.Context, asked []byte) []byte {
	var o nodeOrder
	if json.Unmarshal(asked, &o) != nil {
		return nil
	}
	b, err := json.Marshal(s.obey(ctx, o))
	if err != nil {
		s.log.Error("node cannot tell of itself", "error", err)
	}
	return b
}

// obey does as the node is told, and returns how it is then.
func (s *Server) obey(ctx context.Context, o nodeOrder) nodeStatus {
	if o.Drain != nil {
		s.gate.drain(*o.Drain)
	}
	return s.nodeStatus(ctx)
}

// statusTime bounds how long a node tries whether it is ready when it is asked. Who asks all nodes waits
// for a second.
const statusTime = 600 * time.Millisecond

// nodeStatus is how this node is.
func (s *Server) nodeStatus(ctx context.Context) nodeStatus {
	stats := s.broker.Stats()
	status := nodeStatus{
		Node: s.config.Node, Role: roleCore, Answers: true, Version: s.config.Version,
		Draining: s.gate.draining(), Viewers: s.streams.count(), Leases: int(stats.Held), Behind: int(stats.Behind),
		Leader: s.broker.Leads(), Seen: time.Now().UTC().Truncate(time.Millisecond),
	}
	for _, known := range s.broker.KnownNodes() {
		if known.Name == s.config.Node {
			status.Role = roleOf(known)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	if p := s.unready(ctx); p != nil {
		status.Reason = p.Detail
	}
	status.Ready = status.Reason == ""
	return status
}

// Roles of nodes.
const (
	roleCore = "core"
	roleEdge = "edge"
)

func roleOf(n broker.Node) string {
	if n.Edge {
		return roleEdge
	}
	return roleCore
}
