package main

// Costs is what things take. Processor times are in seconds of one core, and sums over all nodes of a
// cell where nothing else is said.
type Costs struct {
	// Processor.
	EventAlone    float64 // an event published by itself over HTTP to a node that is not in a cluster
	EventCopied   float64 // the same in a cluster: stored three times
	HubRead       float64 // an event that a node reads because it has viewers of that tenant
	Delivery      float64 // a frame to a viewer that has waited: one write for each
	CopiedTenant  float64 // a second of a history in a cluster that nobody writes to; alone it costs nothing
	WatchedTenant float64 // a second of a tenant that a node has viewers of, and nothing happens
	SourceEvent   float64 // an event from a remote, one of many that come together, on a node alone
	IdleSource    float64 // a second of a source whose remote is silent

	// Memory in bytes on one node.
	Process      float64
	Viewer       float64 // a plain one that is idle
	Socket       float64 // the kernel's part of it
	TenantHeld   float64 // on each node that holds its history
	TenantViewed float64 // on each node that has viewers of it
	Route        float64
	Plugin       float64 // a callback in Go while its code is loaded
	Source       float64

	// MaxCode is how many bytes of callbacks' code a node keeps loaded: what is over is loaded again
	// when it is used.
	MaxCode float64

	// What there is of.
	Histories       float64 // with three copies, for each three nodes
	EventsPerTenant float64 // a second: its history is one log

	FrameBytes float64 // an event of 200 B on the wire, with its headers in TCP and IP
}

// measured is what docs/capacity.md says was measured, and how.
func measured() Costs {
	return Costs{
		EventAlone: 142e-6, EventCopied: 334e-6, HubRead: 8e-6, Delivery: 7.75e-6,
		CopiedTenant: 615e-6, WatchedTenant: 100e-6, SourceEvent: 27e-6, IdleSource: 4e-6,

		Process: 60 << 20, Viewer: 2690, Socket: 4096, TenantHeld: 512e3, TenantViewed: 300e3,
		Route: 11e3, Plugin: 31e6, Source: 101e3,

		MaxCode: 8 << 30, Histories: 2000, EventsPerTenant: 17_000, FrameBytes: 330,
	}
}
