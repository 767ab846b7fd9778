package source

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/abi"
)

// Callbacks are those that a source's plugin exports; the others are nil. They are called by one
// goroutine at a time. What they send is in the events that they return, of which Data and Name
// count. OnRequestStart is called for each connection, and then exactly one of OnComplete and OnError;
// neither where the process ends before. Where a stream had come to its end by then, the next Run calls
// OnComplete, again if need be, until what it sends is stored.
type Callbacks struct {
	// OnRequestStart is called before the request is sent.
	OnRequestStart func(ctx context.Context, r abi.Response) error

	// OnChunk is called for each event. What it sends is stored; the event itself is not, unless
	// OnEvent passes it on.
	OnChunk func(ctx context.Context, c Chunk) ([]abi.Event, error)

	// OnEvent is called for each event. What it sends is stored, and after that the event, unchanged,
	// if pass is true.
	OnEvent func(ctx context.Context, c Chunk) (sends []abi.Event, pass bool, err error)

	// OnComplete is called when the stream has ended as it should.
	OnComplete func(ctx context.Context, r abi.Response) ([]abi.Event, error)

	// OnError is called when the connection, its status or the stream failed; r.Error says how. It
	// answers with what to do, by Decide, Stop, or a number of milliseconds to wait.
	OnError func(ctx context.Context, r abi.Response) ([]abi.Event, int32, error)
}

// What OnError answers. All else that is greater is the time to wait before the next attempt, in
// milliseconds.
const (
	Decide int32 = 0 // the retry policy does
	Stop   int32 = 1 // the source stops
)

// Chunk is what an event's callbacks are told.
type Chunk struct {
	Event    abi.Event
	Request  Request      // as it was set, without what stands for secrets
	Response abi.Response // as far as it has come with Event
}

// lastCallTime is how long the callback may take that ends the connection of a stopped source.
const lastCallTime = 2 * time.Second

// maxOutputBytes bounds the data of all that is sent for one event.
const maxOutputBytes = 32 << 20

// outputs turns what callbacks sent into outputs. The error is abi.TooBig or abi.Invalid, for an
// event that cannot be stored, or abi.Limit.
func outputs(template string, sends []abi.Event) ([]Output, error) {
	if len(sends) > MaxOutputs {
		return nil, fmt.Errorf("%d events are sent for one, more than %d: %w", len(sends), MaxOutputs, abi.Limit)
	}
	out := make([]Output, 0, len(sends))
	bytes := 0
	for _, e := range sends {
		e.ID = "" // history gives its own
		if err := e.Check(abi.MaxSendBytes); err != nil {
			return nil, fmt.Errorf("sent event: %w", err)
		}
		if bytes += len(e.Data); bytes > maxOutputBytes {
			return nil, fmt.Errorf("over %d bytes are sent for one event: %w", maxOutputBytes, abi.Limit)
		}
		out = append(out, Output{Subject: subject(template, e.Name), Name: e.Name, Data: e.Data})
	}
	return out, nil
}
