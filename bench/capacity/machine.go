package main

// Machine is one node's, as far as it can run out.
type Machine struct {
	Cores         float64
	MemoryBytes   float64
	BitsPerSecond float64 // that it can send
	Viewers       float64 // that its limit of open files allows
}

// reference is an ordinary server. The costs were measured on two cores of such a kind; that eight do
// four times as much is assumed.
func reference() Machine {
	return Machine{Cores: 8, MemoryBytes: 32 << 30, BitsPerSecond: 10e9, Viewers: 250_000}
}

// How much of a machine may be in use once a node is gone: the rest is for bursts, for garbage that is
// not collected yet, and for the page cache that history is read from.
const (
	usableProcessor = 0.7
	usableMemory    = 0.6
	usableNetwork   = 0.7
)
