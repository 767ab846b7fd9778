package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/broker"
)

// NodePath is the input of calls on a node.
type NodePath struct {
	Node string `path:"node"`
}

type nodeOut struct {
	Body nodeStatus
}

type nodesOut struct {
	Body struct {
		Nodes []nodeStatus `json:"nodes"`
	}
}

// nodeCalls are about the nodes of the cluster. Any of them answers for all.
func (s *Server) nodeCalls(api huma.API) {
	const all, one = "/v1/nodes", "/v1/nodes/{node}"
	register(s, api, nodeOperation(http.MethodGet, all, "listNodes", "List nodes and how they are"), s.listNodes)
	register(s, api, nodeOperation(http.MethodGet, one, "getNode", "Show a node"), s.getNode)
	register(s, api, nodeOperation(http.MethodPost, one+"/drain", "drainNode", "Send a node's viewers and leases elsewhere; it stays up"), s.drainNode)
	register(s, api, nodeOperation(http.MethodDelete, one+"/drain", "undrainNode", "Let a node that drains take viewers and leases again"), s.undrainNode)
	del := nodeOperation(http.MethodDelete, one, "forgetNode", "Forget a node that is gone for good; its copies are made anew on others")
	del.DefaultStatus = http.StatusNoContent
	register(s, api, del, s.forgetNode)
}

func nodeOperation(method, path, id, summary string) huma.Operation {
	op := operation(method, path, id, summary, scopeOperator)
	op.Tags = []string{"nodes"}
	return op
}

// listNodes asks all nodes. Of those that do not answer only what the registry knows is told.
func (s *Server) listNodes(ctx context.Context, _ *struct{}) (*nodesOut, error) {
	answers, _, err := s.broker.Ask(ctx, nodeTopic, question(nodeOrder{}))
	if err != nil {
		return nil, err
	}
	out := &nodesOut{}
	out.Body.Nodes = []nodeStatus{}
	for _, known := range s.broker.KnownNodes() {
		out.Body.Nodes = append(out.Body.Nodes, s.statusOf(ctx, known, answers[known.Name]))
	}
	return out, nil
}

// statusOf is a node's answer, this node's own status, or what is remembered of one that does not answer.
func (s *Server) statusOf(ctx context.Context, known broker.Node, answer []byte) (status nodeStatus) {
	if known.Name == s.config.Node {
		return s.nodeStatus(ctx)
	}
	if answer != nil && json.Unmarshal(answer, &status) == nil && status.Node == known.Name {
		return status
	}
	return nodeStatus{Node: known.Name, Role: roleOf(known), Seen: known.Seen.UTC().Truncate(time.Millisecond)}
}

func (s *Server) getNode(ctx context.Context, in *NodePath) (*nodeOut, error) {
	return s.tellNode(ctx, in.Node, nodeOrder{})
}

func (s *Server) drainNode(ctx context.Context, in *NodePath) (*nodeOut, error) {
	on := true
	return s.tellNode(ctx, in.Node, nodeOrder{Drain: &on})
}

func (s *Server) undrainNode(ctx context.Context, in *NodePath) (*nodeOut, error) {
	on := false
	return s.tellNode(ctx, in.Node, nodeOrder{Drain: &on})
}

// orderTime is for a node to do as it is told, and to say how it is.
const orderTime = 5 * time.Second

// tellNode gives a node an order, which may be this one, and returns how it is then.
func (s *Server) tellNode(ctx context.Context, name string, o nodeOrder) (*nodeOut, error) {
	if !slices.ContainsFunc(s.broker.KnownNodes(), func(n broker.Node) bool { return n.Name == name }) {
		return nil, noNode(name)
	}
	if name == s.config.Node {
		return &nodeOut{s.obey(ctx, o)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	var out nodeOut
	answer, err := s.broker.AskNode(ctx, name, nodeTopic, question(o))
	if err == nil {
		err = json.Unmarshal(answer, &out.Body)
	}
	if errors.Is(err, broker.ErrUnavailable) {
		return nil, fail(http.StatusServiceUnavailable, "The node %s does not answer: it is down, or out of reach.", name).later(5)
	}
	return &out, err
}

func (s *Server) forgetNode(ctx context.Context, in *NodePath) (*noContent, error) {
	err := s.broker.ForgetNode(ctx, in.Node)
	var refused *broker.RefusedError
	switch {
	case errors.As(err, &refused):
		return nil, fail(http.StatusConflict, "The node %s is not forgotten: %s.", in.Node, refused.Reason)
	case errors.Is(err, broker.ErrNotFound):
		return nil, noNode(in.Node)
	}
	return nil, err
}

func noNode(name string) *problem { return fail(http.StatusNotFound, "There is no node %s.", name) }
