package faults

import (
	"time"

	"github.com/millrace/millrace/tests/cluster"
	"github.com/millrace/millrace/tests/faults/link"
)

// fault is something that befalls one node, and ends. do returns when it is over, but for the time that
// the node needs to recover.
type fault struct {
	name string // what the node is
	do   func(c *cluster.Cluster, node int, lasts time.Duration)
}

// kind is faults that are alike. In the long form each kind has a cluster of its own.
type kind struct {
	name   string
	faults []fault
}

// kinds are the faults that need nothing but the cluster and its links.
var kinds = []kind{
	{"killed", []fault{
		{"killed", func(c *cluster.Cluster, node int, _ time.Duration) {
			c.Nodes[node].Kill()
			c.Nodes[node].Restart()
		}},
		{"gone for a while", func(c *cluster.Cluster, node int, lasts time.Duration) {
			c.Nodes[node].Kill()
			wait(lasts)
			c.Nodes[node].Restart()
		}},
		{"killed, as all others are", func(c *cluster.Cluster, _ int, _ time.Duration) {
			for _, n := range c.Nodes {
				n.Kill()
			}
			for _, n := range c.Nodes {
				n.Restart()
			}
		}},
	}},
	{"wiped", []fault{
		{"killed and its data lost", func(c *cluster.Cluster, node int, _ time.Duration) {
			c.Nodes[node].Kill()
			c.Nodes[node].Wipe()
			c.Nodes[node].Restart()
		}},
	}},
	{"restarted", []fault{
		{"restarted in good order", func(c *cluster.Cluster, node int, _ time.Duration) {
			c.Nodes[node].Stop()
			c.Nodes[node].Restart()
		}},
	}},
	{"hung", []fault{
		{"hung", func(c *cluster.Cluster, node int, lasts time.Duration) {
			c.Nodes[node].Pause()
			wait(max(lasts, 10*time.Second)) // the balancer takes nine to notice
			c.Nodes[node].Resume()
		}},
	}},
	{"partitioned", []fault{
		{"cut off", linkFault(blocked, blocked)},
		{"unheard", linkFault(blocked, link.Quality{})},
		{"deaf", linkFault(link.Quality{}, blocked)},
		{"cut off, as all others are", func(c *cluster.Cluster, _ int, lasts time.Duration) {
			for i := range c.Nodes {
				c.Isolate(i, blocked, blocked)
			}
			wait(lasts)
			for i := range c.Nodes {
				c.Isolate(i, link.Quality{}, link.Quality{})
			}
		}},
		{"cut off now and then", func(c *cluster.Cluster, node int, lasts time.Duration) {
			for range 4 {
				linkFault(blocked, blocked)(c, node, lasts/8)
				wait(lasts / 8)
			}
		}},
	}},
	{"badly connected", []fault{
		{"on a bad line", linkFault(bad, bad)},
		{"without its connections, as all others are", func(c *cluster.Cluster, _ int, _ time.Duration) { c.CutLinks() }},
	}},
	wrongTime,
}

// wrongTime is of clocks that jump, and jump back.
var wrongTime = kind{"wrong about the time", []fault{
	{"an hour ahead", clockFault(time.Hour)},
	{"an hour behind", clockFault(-time.Hour)},
}}

// possible tells whether a kind can be had on this system.
func (k kind) possible() bool { return k.name != wrongTime.name || cluster.ClocksJump }

var (
	blocked = link.Quality{Blocked: true}
	bad     = link.Quality{Latency: 40 * time.Millisecond, Jitter: 40 * time.Millisecond, Loss: 0.05, Recovery: 200 * time.Millisecond}
)

// linkFault makes all links of a node bad, by what it sends and by what it gets.
func linkFault(sends, gets link.Quality) func(*cluster.Cluster, int, time.Duration) {
	return func(c *cluster.Cluster, node int, lasts time.Duration) {
		c.Isolate(node, sends, gets)
		wait(lasts)
		c.Isolate(node, link.Quality{}, link.Quality{})
	}
}

func clockFault(by time.Duration) func(*cluster.Cluster, int, time.Duration) {
	return func(c *cluster.Cluster, node int, lasts time.Duration) {
		c.Nodes[node].JumpClock(by)
		wait(lasts)
		c.Nodes[node].JumpClock(-by)
	}
}

// outOfDisk fills a node's disk. Once there is room again the node is restarted, since its storage has
// switched itself off.
var outOfDisk = kind{"out of disk", []fault{
	{"out of disk", func(c *cluster.Cluster, node int, lasts time.Duration) {
		n := c.Nodes[node]
		n.FillDisk()
		wait(lasts)
		n.FreeDisk()
		n.Stop()
		n.Restart()
	}},
}}

// wait is how long a fault lasts. Nothing is waited for.
func wait(d time.Duration) { <-time.After(d) }

// victim is whom a fault befalls: a node of an index, or one that leads something at the moment.
type victim struct {
	node  int
	leads cluster.Lead // "" for the node
}

// victims are by turns all that a fault befalls.
var victims = []victim{{leads: cluster.History}, {node: 0}, {leads: cluster.Metadata}, {node: 1}, {node: 2}}

func (v victim) find(c *cluster.Cluster) int {
	if v.leads != "" {
		return c.Leader(v.leads)
	}
	return v.node
}

func (v victim) String() string {
	if v.leads != "" {
		return ", which leads the " + string(v.leads) + ","
	}
	return ""
}
