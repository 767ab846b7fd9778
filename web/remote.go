package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/host"
)

// remote is a stream that a plugin has opened. One goroutine of its own reads it, one batch ahead of
// the plugin, which is what was received at once; the plugin's calls all come from another.
type remote struct {
	release  func() // ends the stream, and gives its place back
	batches  chan []received
	ended    chan struct{} // closed behind err
	err      error         // why there is no more: abi.Closed, or a failure
	reason   string        // of a failure
	waiting  []received
	response abi.Response // as the plugin has come to know it
}

// received is an event, with how far the stream was behind it.
type received struct {
	event  abi.Event
	lastID string
	bytes  uint64
}

var _ host.Remote = (*remote)(nil)

// newRemote takes stream over. release ends ctx, which stream lives in.
func newRemote(ctx context.Context, stream *source.Stream, release func()) *remote {
	r := &remote{
		release: release, batches: make(chan []received), ended: make(chan struct{}),
		response: stream.Response(),
	}
	r.response.Attempts = 1
	go r.read(ctx, stream)
	return r
}

// refusedRemote is the stream of a response that is none.
func refusedRemote(request source.Request, status *source.StatusError, release func()) *remote {
	r := &remote{release: release, ended: make(chan struct{}), err: abi.Closed}
	close(r.ended)
	r.response = abi.Response{
		URL: request.URL, Status: status.Status, Headers: status.Headers, Attempts: 1,
		LastEventID: request.LastEventID, Body: status.Body,
	}
	if status.Status != http.StatusNoContent {
		r.err, r.reason = abi.Unavailable, fmt.Sprintf("status %d %s", status.Status, http.StatusText(status.Status))
		r.response.Error = r.reason
	}
	return r
}

// read hands on what comes until the stream or ctx ends.
func (r *remote) read(ctx context.Context, stream *source.Stream) {
	defer close(r.ended)
	defer stream.Close()
	for {
		e, err := stream.Next()
		if err != nil {
			r.reason, r.err = streamEnd(err)
			return
		}
		var batch []received
		for ok := true; ok; e, ok = stream.Ready() {
			batch = append(batch, received{e, stream.LastEventID(), stream.Bytes()})
		}
		select {
		case r.batches <- batch:
		case <-ctx.Done():
			r.err = abi.Closed
			return
		}
	}
}

// streamEnd is what a plugin is told of a stream's end. None of it is abi.Timeout, which says that
// there may be more.
func streamEnd(err error) (reason string, status error) {
	var tooBig *sse.TooBigError
	switch {
	case errors.Is(err, io.EOF):
		return "", abi.Closed
	case errors.As(err, &tooBig):
		return err.Error(), abi.TooBig
	}
	return err.Error(), abi.Unavailable
}

// Receive returns the next event; see host.Remote.
func (r *remote) Receive(ctx context.Context) (*abi.Event, error) {
	if len(r.waiting) == 0 {
		if err := r.fill(ctx); err != nil {
			return nil, err
		}
	}
	next := &r.waiting[0]
	r.waiting = r.waiting[1:]
	r.response.LastEventID, r.response.Bytes = next.lastID, next.bytes
	r.response.Events++
	return &next.event, nil
}

// fill waits for a batch. What is there comes before the end of the stream, and both before ctx's.
func (r *remote) fill(ctx context.Context) error {
	select {
	case r.waiting = <-r.batches:
		return nil
	default:
	}
	select {
	case <-r.ended:
		return r.over()
	default:
	}
	select {
	case r.waiting = <-r.batches:
		return nil
	case <-r.ended:
		return r.over()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *remote) over() error {
	r.response.Error = r.reason
	return r.err
}

// Response is the HTTP side, as far as the plugin has received.
func (r *remote) Response() abi.Response { return r.response }

// Close ends the stream and waits for its reader.
func (r *remote) Close() {
	r.release()
	<-r.ended
}
