package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/broker"
)

// NodePath is the input of calls on a node.
type NodePath struct {
	Node string `path:"node"`
}

type nodeOut struct {
	Body broker.NodeStatus
}

type nodesOut struct {
	Body struct {
		Nodes []broker.NodeStatus `json:"nodes"`
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

func (s *Server) listNodes(ctx context.Context, _ *struct{}) (*nodesOut, error) {
	nodes, err := s.broker.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	out := &nodesOut{}
	out.Body.Nodes = nodes
	return out, nil
}

func (s *Server) getNode(ctx context.Context, in *NodePath) (*nodeOut, error) {
	status, err := s.broker.Node(ctx, in.Node)
	return nodeAnswer(in.Node, status, err)
}

func (s *Server) drainNode(ctx context.Context, in *NodePath) (*nodeOut, error) {
	status, err := s.broker.DrainNode(ctx, in.Node, true)
	return nodeAnswer(in.Node, status, err)
}

func (s *Server) undrainNode(ctx context.Context, in *NodePath) (*nodeOut, error) {
	status, err := s.broker.DrainNode(ctx, in.Node, false)
	return nodeAnswer(in.Node, status, err)
}

func (s *Server) forgetNode(ctx context.Context, in *NodePath) (*noContent, error) {
	err := s.broker.ForgetNode(ctx, in.Node)
	var refused *broker.RefusedError
	if errors.As(err, &refused) {
		return nil, fail(http.StatusConflict, "The node %s is not forgotten: %s.", in.Node, refused.Reason)
	}
	_, err = nodeAnswer(in.Node, broker.NodeStatus{}, err)
	return nil, err
}

// nodeAnswer is the answer to a call on one node.
func nodeAnswer(node string, status broker.NodeStatus, err error) (*nodeOut, error) {
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return nil, fail(http.StatusNotFound, "There is no node %s.", node)
	case errors.Is(err, broker.ErrUnavailable):
		return nil, fail(http.StatusServiceUnavailable, "The node %s does not answer: it is down, or out of reach.", node).later(5)
	case err != nil:
		return nil, err
	}
	return &nodeOut{status}, nil
}

// Tell adds what only this package knows to what the node says of itself. It is meant for
// broker.Config.Tell.
func (s *Server) Tell(ctx context.Context, status *broker.NodeStatus) {
	status.Version, status.Viewers, status.Draining = s.config.Version, s.streams.count(), s.gate.draining()
	if p := s.unready(ctx); p != nil {
		status.Reason = p.Detail
	}
	status.Ready = status.Reason == ""
}

// Drain makes the node take no viewers and no leases, and end those that it has over Config.Drain, until
// it is called with false. It is meant for broker.Config.Drain, and returns at once.
func (s *Server) Drain(on bool) { s.gate.drain(on) }
