package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

type nodesCommand struct {
	serverFlags
	JSON bool `name:"json" help:"Print the nodes as JSON."`
}

// Run prints a table of the cluster's nodes, or their document.
func (c *nodesCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client("")
	if err != nil {
		return err
	}
	var doc json.RawMessage
	if err := client.do(ctx, call{method: http.MethodGet, path: "/nodes"}, &doc); err != nil {
		return err
	}
	if c.JSON {
		con.printf("%s\n", doc)
		return nil
	}
	var answer struct{ Nodes []listedNode }
	if err := json.Unmarshal(doc, &answer); err != nil {
		return err
	}
	w := newTable(con.out)
	w.row("NODE", "ROLE", "STATE", "VIEWERS", "LEASES", "BEHIND", "LEADS", "VERSION", "SEEN")
	for _, n := range answer.Nodes {
		leads := ""
		if n.Leader {
			leads = "yes"
		}
		w.row(n.Node, n.Role, nodeState(n), strconv.Itoa(n.Viewers), strconv.Itoa(n.Leases), strconv.Itoa(n.Behind), leads, n.Version, n.Seen.Local().Format(time.DateTime))
	}
	return w.flush()
}

// listedNode is what the API tells of a node.
type listedNode struct {
	Node, Role, Version, Reason      string
	Answers, Ready, Draining, Leader bool
	Viewers, Leases, Behind          int
	Seen                             time.Time
}

// nodeState is a node's state in a word, and why it is not ready.
func nodeState(n listedNode) string {
	switch {
	case !n.Answers:
		return "gone"
	case n.Draining:
		return "draining"
	case !n.Ready:
		return "not ready: " + n.Reason
	}
	return "ready"
}

type forgetCommand struct {
	serverFlags
	Node string `arg:"" help:"The node, from millrace nodes."`
}

// Run forgets a node that is gone for good.
func (c *forgetCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client("")
	if err != nil {
		return err
	}
	if err := client.do(ctx, call{method: http.MethodDelete, path: "/nodes" + pathOf(c.Node)}, nil); err != nil {
		return err
	}
	con.notef("Node %s is forgotten. Never start it again with the data that it had.\n", c.Node)
	return nil
}
