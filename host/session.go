package host

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace/abi"
)

// Session is what one call of a callback works on. The host calls its parts from the goroutine that
// called Stream, Event or Source, one at a time, and not after that returned.
type Session struct {
	Request  abi.Request
	Body     []byte
	Emitter  Emitter  // of Stream; not used by Event
	Services Services // nil: all of them are unavailable
	Opener   Opener   // nil: open is unavailable

	// Response is what response answers for handle 0, of a source whose callback runs. Nil is
	// NOT_FOUND.
	Response *abi.Response

	// Share is what the call may take of the processors, together with others: a tenant's, if it has
	// one. Nil is that of the Plugin.
	Share *Share

	// Started is called once, when an instance of Stream's own lives and its callback is about to
	// run: until then Stream may still answer ErrBusy. Nil is not called.
	Started func()

	// Log takes one line of the plugin's log: from log, or from its standard output or error. A
	// plugin writes at most 100 a second; more are dropped and counted. Nil discards.
	Log func(level slog.Level, text string)
}

// Emitter is what an onStream callback sends to and receives from. Errors become statuses by
// abi.StatusOf.
type Emitter interface {
	// Send queues e, and waits while there is no room. The host has checked e. Once the stream is
	// over it returns at once, with an error that wraps abi.Closed: a guest can be stopped only
	// after that.
	Send(e abi.Event) error

	// Comment queues a comment; text may hold line breaks.
	Comment(text string) error

	// Close ends the stream after what was sent. The host calls it once at most.
	Close()

	// Receive returns the next event of the route's subjects, and waits for it until ctx ends. For
	// a poll ctx has ended before; an event that is at hand is returned nevertheless. The host only
	// reads the event.
	Receive(ctx context.Context) (*abi.Event, error)
}

// Services is what the tenant gives its plugins. Errors become statuses by abi.StatusOf.
type Services interface {
	// Publish stores Data, Name and ID of e under subject and returns once that is acknowledged.
	Publish(ctx context.Context, subject string, e abi.Event) error

	// KVGet returns the value, or an error that wraps abi.NotFound. The host only reads it.
	KVGet(ctx context.Context, key string) ([]byte, error)

	// KVPut stores value, which is the service's to keep, for ttl, or for good if that is 0.
	KVPut(ctx context.Context, key string, value []byte, ttl time.Duration) error

	KVDelete(ctx context.Context, key string) error
}
