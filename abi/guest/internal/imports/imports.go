// Package imports is the SDK's side of the sandbox wall: the host's functions with Go's own types.
// Compiled for wasip1 they are the imports of abi.Module; elsewhere they go to the Host that a test
// has set with Use. Results are those of the contract: below 0 a status. It knows nothing of what
// callbacks do with them.
package imports

// Input is the handle of what a callback is called for: its own events, a source's own response.
const Input int32 = 0
