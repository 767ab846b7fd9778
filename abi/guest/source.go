package guest

import (
	"math"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/internal/imports"
)

// OnRequestStart runs f before a source connects, and returns what the export onRequestStart
// returns. There is nothing to receive or send.
func OnRequestStart(f func(e *Emitter) error) int32 {
	return result(f(&current))
}

// OnChunk runs f for an event that a source has received, or a line of a stream that is no event
// stream, and returns what the export onChunk returns. What f sends is stored under the source's
// subject; the event itself is not. f must not block. An error is logged and leaves the event to the
// source's onError; the stream goes on. Emitter.Response tells of the HTTP side and the last event
// id.
func OnChunk(f func(e *Emitter, ev abi.Event) error) int32 {
	e := &current
	ev, err := e.Receive(0)
	if err != nil {
		return result(err)
	}
	return result(f(e, ev))
}

// OnComplete runs f when a source's stream has ended as it should, and returns what the export
// onComplete returns. What f sends is stored under the source's subject.
func OnComplete(f func(e *Emitter) error) int32 {
	return result(f(&current))
}

// Retry says what a source does after its connection, its HTTP status or its stream has failed.
type Retry int32

const (
	Decide = Retry(abi.RetryDecide) // what its own retry policy says
	Stop   = Retry(abi.RetryStop)   // it stops
)

// After has a source wait for d, in whole milliseconds, before it tries again: at least 2 ms, at
// most 24 days.
func After(d time.Duration) Retry {
	return Retry(min(max(millis(d), int64(abi.RetryStop)+1), math.MaxInt32))
}

// OnError runs f when a source's connection, HTTP status or stream has failed, and returns what the
// export onError returns. Emitter.Response says how: its Status is 0 when there was no response.
// What f sends is stored under the source's subject. When f itself fails, that is logged and the
// retry policy decides.
func OnError(f func(e *Emitter) (Retry, error)) int32 {
	retry, err := f(&current)
	if err != nil {
		return result(err)
	}
	return int32(retry)
}

// Response is the HTTP side of the source whose callback runs. It is fetched when asked for. On a
// route it answers abi.NotFound.
func (e *Emitter) Response() (abi.Response, error) {
	return e.response(imports.Input)
}
