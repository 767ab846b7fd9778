package main

// Costs is what things take. Processor times are in seconds of one core, and sums over all nodes of a
// cell where nothing else is said.
type Costs struct {
	// Processor.
	EventAlone    float64 // an event published by itself over HTTP to a node that is not in a cluster
	EventCopied   float64 // the same in a cluster: stored three times
	HubRead       float64 // an event that a node reads because it has viewers of that tenant
	Delivery      float64 // a frame to a viewer that has waited: one write for each
	IdleTenant    float64 // a second of a history that nobody writes to, on one node
	CopiedTenant  float64 // the same in a cluster
	SourceEvent   float64 // an event from a remote, one of many that come together
	IdleSource    float64 // a second of a source whose remote is silent
	TenantHistory float64 // histories with three copies that a cell of three nodes can hold

	// Memory in bytes on one node.
	Process       float64
	Viewer        float64 // a plain one that is idle
	Socket        float64 // the kernel's part of it
	Tenant        float64 // on each node that holds its history
	WatchedTenant float64 // on each node that has viewers of it
	Route         float64
	Plugin        float64
	Source        float64

	// EventsPerTenant is how many events a second one history takes: it is one log.
	EventsPerTenant float64

	FrameBytes float64 // an event of 200 B on the wire, with its headers in TCP and IP
}

// measured is what docs/capacity.md says was measured, and how.
func measured() Costs {
	return Costs{
		EventAlone: 142e-6, EventCopied: 334e-6, HubRead: 8e-6, Delivery: 7.75e-6,
		IdleTenant: 20e-6, CopiedTenant: 300e-6, SourceEvent: 27e-6, IdleSource: 4e-6,
		TenantHistory: 2000,

		Process: 60 << 20, Viewer: 2690, Socket: 4096, Tenant: 150e3, WatchedTenant: 100e3,
		Route: 3e3, Plugin: 5e6, Source: 101e3,

		EventsPerTenant: 17_000, FrameBytes: 330,
	}
}
