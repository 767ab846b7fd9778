package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

type drainCommand struct {
	serverFlags
	Node    string        `arg:"" help:"The node, from millrace nodes."`
	Undo    bool          `help:"Let it take viewers and leases again."`
	Timeout time.Duration `default:"10m" placeholder:"DURATION" help:"How long to wait for it to be empty (${default}); it goes on draining beyond that."`
}

// drainLook is how often a node that drains is asked how far it is.
const drainLook = 500 * time.Millisecond

// Run drains a node and waits until it is empty, or has it go on.
func (c *drainCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client("")
	if err != nil {
		return err
	}
	path := "/nodes" + pathOf(c.Node)
	if c.Undo {
		if err := client.do(ctx, call{method: http.MethodDelete, path: path + "/drain"}, nil); err != nil {
			return err
		}
		con.notef("Node %s takes viewers and leases again.\n", c.Node)
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("node %s is not empty after %s, and goes on draining", c.Node, c.Timeout))
	defer cancel()
	var n listedNode
	if err := client.do(ctx, call{method: http.MethodPost, path: path + "/drain"}, &n); err != nil {
		return err
	}
	if err := c.wait(ctx, con, client, &n); err != nil {
		return err
	}
	con.notef("Node %s is empty and stays so until it is restarted, or told by millrace drain --undo %s.\n", c.Node, c.Node)
	return nil
}

// wait looks until the node has no viewers and no leases, and shows how many are left.
func (c *drainCommand) wait(ctx context.Context, con *console, client *client, n *listedNode) error {
	line := statusLine{con.err}
	defer line.clear()
	shown := ""
	for n.Viewers > 0 || n.Leases > 0 {
		left := fmt.Sprintf("node %s: %d viewers and %d leases are left", c.Node, n.Viewers, n.Leases)
		switch {
		case isTerminal(con.err):
			line.printf("%s", left)
		case left != shown:
			con.notef("%s\n", left)
		}
		shown = left
		select {
		case <-time.After(drainLook):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		err := client.do(ctx, call{method: http.MethodGet, path: "/nodes" + pathOf(c.Node)}, n)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		if !n.Draining {
			return fmt.Errorf("node %s drains no more: it was restarted, or somebody has told it so", c.Node)
		}
	}
	return nil
}
