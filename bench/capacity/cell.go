package main

import "math"

// Cell is one cluster of equal nodes. A balancer gives each as many viewers as the others, and each
// leads as many histories.
type Cell struct {
	Nodes   int
	Machine Machine
	Costs   Costs
}

// Load is what the tenants of a cell ask of it together.
type Load struct {
	Tenants, Viewers, Deliveries float64
	Events                       float64 // published
	SourceEvents                 float64 // of Events
	HubReads                     float64 // events, once for each node that reads them
	Watched                      float64 // tenants, once for each node that has viewers of them
	Routes, Plugins, Sources     float64
	Busiest                      float64 // events of the tenant that has most
}

// with returns the load with one more tenant, in a cell of so many nodes.
func (l Load) with(t Tenant, nodes float64) Load {
	reading := nodesWithViewers(t.Viewers, nodes)
	l.Tenants++
	l.Viewers += t.Viewers
	l.Deliveries += t.Deliveries()
	l.Events += t.Events
	l.SourceEvents += t.SourceEvents
	l.HubReads += t.Events * reading
	l.Watched += reading
	l.Routes += t.Routes
	l.Plugins += t.Plugins
	l.Sources += t.Sources
	l.Busiest = max(l.Busiest, t.Events)
	return l
}

// nodesWithViewers is how many of the nodes have at least one of so many viewers, on average.
func nodesWithViewers(viewers, nodes float64) float64 {
	return nodes * (1 - math.Pow(1-1/nodes, viewers))
}

// Use is how much of each resource a node uses, as a share of what it may: past 1 is past a wall.
type Use [walls]float64

// Wall is something that a cell can run out of.
type Wall int

// What a cell can run out of.
const (
	Processor Wall = iota
	Memory
	Network
	OpenFiles
	Histories // logs with copies, which the nodes keep in step
	OneLog    // the events of one tenant, which are one log
	walls
)

func (w Wall) String() string {
	return [walls]string{"processor", "memory", "network", "open files", "histories", "one tenant's log"}[w]
}

// fullest is the wall that is nearest, and how near.
func (u Use) fullest() (Wall, float64) {
	w := Processor
	for i := range walls {
		if u[i] > u[w] {
			w = i
		}
	}
	return w, u[w]
}

// use is what each node has to do when one is gone, or all that there is to do if there is but one.
func (c Cell) use(l Load) Use {
	k, m := c.Costs, c.Machine
	nodes, event, copied := 1.0, k.EventAlone, 0.0
	if c.Nodes > 1 {
		nodes, event, copied = float64(c.Nodes-1), k.EventCopied, 1
	}
	copies := min(3, nodes) // that live
	// A source's events are stored many at a time; copying them costs as much more as it does others.
	processor := (l.Events-l.SourceEvents)*event + l.SourceEvents*k.SourceEvent*event/k.EventAlone +
		l.HubReads*k.HubRead + l.Deliveries*k.Delivery +
		l.Tenants*copied*k.CopiedTenant + l.Watched*k.WatchedTenant + l.Sources*k.IdleSource
	memory := k.Process + l.Viewers/nodes*(k.Viewer+k.Socket) +
		l.Tenants*copies/nodes*k.TenantHeld + l.Watched/nodes*k.TenantViewed +
		l.Routes*k.Route + min(l.Plugins*k.Plugin, k.MaxCode) + l.Sources/nodes*k.Source
	u := Use{
		Processor: processor / nodes / (m.Cores * usableProcessor),
		Memory:    memory / (m.MemoryBytes * usableMemory),
		Network:   l.Deliveries * k.FrameBytes * 8 / nodes / (m.BitsPerSecond * usableNetwork),
		OpenFiles: l.Viewers / nodes / m.Viewers,
		OneLog:    l.Busiest / k.EventsPerTenant,
	}
	if c.Nodes > 1 {
		u[Histories] = l.Tenants / (k.Histories * float64(c.Nodes) / 3)
	}
	return u
}
