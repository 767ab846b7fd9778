package wire

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// crowd is all viewers of the node, counted by group.
type crowd struct {
	mu      sync.Mutex
	all     []*Viewer // each knows its place
	leaving int       // those who are in none of the counts any more, but not gone
	groups  map[string]int
	closed  error         // why nobody may come in
	emptied chan struct{} // closed once nobody may come in and nobody is there
}

func (c *crowd) enter(v *Viewer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return c.closed
	}
	v.place = int32(len(c.all))
	c.all = append(c.all, v)
	for _, g := range v.groups {
		c.groups[g]++
	}
	return nil
}

// leave takes a viewer out of all counts, and calls last before the crowd can be said to be empty.
func (c *crowd) leave(v *Viewer, last func()) {
	c.remove(v)
	last()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving--
	c.tellEmpty()
}

func (c *crowd) remove(v *Viewer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving++
	last := len(c.all) - 1
	c.all[v.place] = c.all[last]
	c.all[v.place].place = v.place
	c.all[last] = nil
	c.all = c.all[:last]
	for _, g := range v.groups {
		if c.groups[g]--; c.groups[g] == 0 {
			delete(c.groups, g)
		}
	}
}

func (c *crowd) tellEmpty() {
	if c.closed == nil || len(c.all)+c.leaving > 0 {
		return
	}
	select {
	case <-c.emptied:
	default:
		close(c.emptied)
	}
}

// close lets nobody in any more.
func (c *crowd) close(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed == nil {
		c.closed = why
	}
	c.tellEmpty()
}

// members returns the viewers of a group, or all if it is "".
func (c *crowd) members(group string) []*Viewer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if group == "" {
		return slices.Clone(c.all)
	}
	var found []*Viewer
	for _, v := range c.all {
		if slices.Contains(v.groups, group) {
			found = append(found, v)
		}
	}
	return found
}

func (c *crowd) count(group string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if group == "" {
		return len(c.all)
	}
	return c.groups[group]
}

// end ends viewers evenly spread over a time, each at a random moment of its share of it.
func end(viewers []*Viewer, why error, over time.Duration) {
	now, share := time.Now(), float64(over)/float64(len(viewers))
	for i, v := range viewers {
		v.endAt(now.Add(time.Duration((float64(i)+rand.Float64())*share)), why)
	}
}
