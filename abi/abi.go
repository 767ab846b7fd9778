// Package abi is the contract between Millrace and its plugins: the event and its record, the
// functions and callbacks that cross the sandbox wall, their statuses, and the limits that hold by
// default. The page abi/README.md tells the same to authors of plugins in other languages.
//
// Host, broker, web and the Go SDK all speak in these types. The package imports nothing of
// Millrace and little else, since it is compiled into plugins too.
package abi

// Module is the name of the wasm module that plugins import the host's functions from. The name is
// the version of the contract.
const Module = "millrace_v1"

// WASI is the one other module that plugins may import from.
const WASI = "wasi_snapshot_preview1"

// Limits that hold unless the operator or the tenant sets others.
const (
	MaxModuleBytes = 32 << 20 // an uploaded module
	MaxMemoryBytes = 64 << 20 // linear memory of one instance
	MaxSendBytes   = 1 << 20  // the data of one event
	MaxNameBytes   = 256      // the name or id of an event
	MaxKeyBytes    = 512      // a key of the key-value store
	MaxBodyBytes   = 1 << 20  // the body of a viewer's request
	MaxRemotes     = 8        // remote streams that a callback holds open
)

// ValidName tells whether s can name a tenant, plugin, route or source: [a-z0-9][a-z0-9-]{0,62}.
func ValidName(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
