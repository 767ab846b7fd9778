// Package sse is the wire format of Server-Sent Events: an encoder that appends blocks to a buffer,
// and a parser that follows the WHATWG text, section 9.2.6, in every case.
//
// Encoder and parser are inverse: what AppendEvent writes of an event that passes abi.Event.Check,
// the parser gives back, save that a CR or CRLF in data arrives as LF, since the format has only
// lines. The package knows nothing of HTTP, reconnecting or history.
package sse

import "math"

// maxRetry is the longest time to wait before a reconnect, in milliseconds: what an event's record
// can hold, 49 days. More counts as this much, written and read.
const maxRetry = math.MaxUint32
