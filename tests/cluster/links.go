package cluster

import (
	"math/rand/v2"

	"github.com/millrace/millrace/tests/faults/link"
)

// links are what nodes reach each other over. Of two nodes each has a link to the other; which of them
// carries their traffic depends on who dialled first, so the two are always as good as each other.
type links struct {
	between [][]*link.Link   // by who dials, and whom; nil to itself
	quality [][]link.Quality // by who sends, and to whom
}

func (c *Cluster) makeLinks(seed uint64) {
	if seed == 0 {
		return
	}
	c.t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	n := len(c.Nodes)
	c.links = &links{make([][]*link.Link, n), make([][]link.Quality, n)}
	for i := range n {
		c.links.between[i], c.links.quality[i] = make([]*link.Link, n), make([]link.Quality, n)
		for j := range n {
			if i == j {
				continue
			}
			l, err := link.New(c.Nodes[j].routes, r.Uint64())
			if err != nil {
				c.t.Fatal(err)
			}
			c.t.Cleanup(func() {
				if err := l.Close(); err != nil {
					c.t.Error(err)
				}
			})
			c.links.between[i][j] = l
		}
	}
}

// SetLink makes what node from sends to node to go over a line of a quality. The Cluster has links.
func (c *Cluster) SetLink(from, to int, q link.Quality) {
	c.links.quality[from][to] = q
	back := c.links.quality[to][from]
	c.links.between[from][to].Set(q, back)
	c.links.between[to][from].Set(back, q)
}

// Isolate makes all that a node sends and gets go over lines of two qualities.
func (c *Cluster) Isolate(node int, sends, gets link.Quality) {
	for other := range c.Nodes {
		if other != node {
			c.SetLink(node, other, sends)
			c.SetLink(other, node, gets)
		}
	}
}

// CutLinks resets the connections between nodes.
func (c *Cluster) CutLinks() {
	for _, row := range c.links.between {
		for _, l := range row {
			if l != nil {
				l.Cut()
			}
		}
	}
}
