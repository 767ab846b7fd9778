package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
)

// Outcome is an installation at its first wall.
type Outcome struct {
	Load             // of all cells together
	Wall     Wall    // that one cell would be past with one more tenant
	Fill     float64 // of that resource, on average over all cells
	TooLarge float64 // tenants that no empty cell could take, and that were turned away
}

// Placement is how a new tenant's cell is chosen.
type Placement int

// Ways to choose a cell.
const (
	ByName   Placement = iota // by a hash of its name: nobody has to remember it
	Emptiest                  // the cell that is least full; a directory remembers
)

func (p Placement) String() string { return [...]string{"by name", "emptiest"}[p] }

// maxTenants bounds a simulation, of costs that never reach a wall.
const maxTenants = 10_000_000

// simulate fills so many cells until the next tenant does not fit into the one where it belongs.
func simulate(cell Cell, cells int, crowd Crowd, p Placement, seed uint64) Outcome {
	r := rand.New(rand.NewPCG(seed, uint64(cells)))
	loads, full := make([]Load, cells), make([]float64, cells)
	var o Outcome
	for n := range maxTenants {
		t := crowd.draw(r)
		if _, alone := cell.use(Load{}.with(t, float64(cell.Nodes))).fullest(); alone > 1 {
			o.TooLarge++
			continue
		}
		at := p.choose(full, n)
		next := loads[at].with(t, float64(cell.Nodes))
		wall, use := cell.use(next).fullest()
		if use > 1 {
			o.Wall = wall
			break
		}
		loads[at], full[at] = next, use
	}
	for _, l := range loads {
		o.Load = o.Load.plus(l)
		o.Fill += cell.use(l)[o.Wall] / float64(cells)
	}
	return o
}

func (p Placement) choose(full []float64, tenant int) int {
	if p == Emptiest {
		return slices.Index(full, slices.Min(full))
	}
	h := fnv.New64a()
	fmt.Fprint(h, tenant)
	return int(h.Sum64() % uint64(len(full)))
}

func (l Load) plus(m Load) Load {
	return Load{
		l.Tenants + m.Tenants, l.Viewers + m.Viewers, l.Deliveries + m.Deliveries, l.Events + m.Events,
		l.SourceEvents + m.SourceEvents, l.HubReads + m.HubReads, l.Watched + m.Watched,
		l.Routes + m.Routes, l.Plugins + m.Plugins, l.Sources + m.Sources, max(l.Busiest, m.Busiest),
	}
}
