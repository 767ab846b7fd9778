package guest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/internal/imports"
)

// OpenRequest is a remote HTTP or Server-Sent Events stream to open. A zero field takes its default;
// times are in whole milliseconds, rounded up.
type OpenRequest struct {
	URL     string
	Method  string            // GET, POST, PUT or PATCH; default GET
	Headers map[string]string // {{secret.NAME}} in a value is filled in by the host; the plugin never sees it
	Body    any               // a string or byte slice is sent as it is, all else as JSON; nil is none

	SSE         bool   // read as event stream whatever its content type; else such content comes line by line
	LastEventID string // to resume behind

	ConnectTimeout time.Duration // until the response's headers; default 15 s
	IdleTimeout    time.Duration // without a byte; default none
	Timeout        time.Duration // of the whole stream; default none
}

// Open opens a remote stream and waits for the remote's answer; of one with an error status Receive
// tells. It answers abi.Denied for a host that is not on the tenant's allow-list, abi.Limit beyond
// abi.MaxRemotes at once, and abi.Invalid for a request that makes no sense. The stream is closed with
// the callback at the latest.
func (e *Emitter) Open(r OpenRequest) (*Remote, error) {
	doc, err := r.document()
	if err != nil {
		return nil, fmt.Errorf("open remote stream: %w", err)
	}
	handle := imports.Open(doc)
	if err := check(handle); err != nil {
		return nil, fmt.Errorf("open remote stream: %w", err)
	}
	return &Remote{e, handle}, nil
}

// document is r as the function open takes it.
func (r OpenRequest) document() (string, error) {
	body, err := r.body()
	if err != nil {
		return "", err
	}
	doc, err := encode(abi.OpenRequest{
		URL: r.URL, Method: r.Method, Headers: r.Headers, Body: body, SSE: r.SSE, LastEventID: r.LastEventID,
		ConnectTimeout: millis(r.ConnectTimeout), IdleTimeout: millis(r.IdleTimeout), Timeout: millis(r.Timeout),
	})
	if err != nil {
		return "", fmt.Errorf("%w: %w", abi.Invalid, err)
	}
	return string(doc), nil
}

// body is JSON: a string of what is to be sent as it is, else the document.
func (r OpenRequest) body() (json.RawMessage, error) {
	body := r.Body
	switch b := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		body = string(b)
	}
	if s, ok := body.(string); ok && !utf8.ValidString(s) {
		return nil, fmt.Errorf("body: %w", abi.Invalid) // JSON would change it
	}
	doc, err := encode(body)
	if err != nil {
		return nil, fmt.Errorf("body of type %T: %w: %w", body, abi.Invalid, err)
	}
	return doc, nil
}

// Remote is a remote stream that a callback has opened.
type Remote struct {
	e      *Emitter
	handle int32
}

// Receive waits for the stream's next event, or its next line if it is no event stream. A timeout is
// as in Emitter.Receive. It answers abi.Closed when the remote has ended the stream, or the viewer's
// is over; abi.Timeout; and a *RemoteError when the stream has failed. A callback for an event may
// wait too, but within the little time that it has.
func (r *Remote) Receive(timeout time.Duration) (abi.Event, error) {
	ev, err := r.e.receive(r.handle, timeout)
	if err == nil || errors.Is(err, abi.Closed) || errors.Is(err, abi.Timeout) && timeout >= 0 {
		return ev, err
	}
	response, unknown := r.Response()
	if unknown != nil {
		return abi.Event{}, err // closed, most likely
	}
	return abi.Event{}, &RemoteError{Response: response, Status: abi.StatusOf(err)}
}

// Events yields what the stream sends until the remote ends it. When the stream fails, or the
// viewer's is over, the error is yielded last: a *RemoteError or abi.Closed.
func (r *Remote) Events() iter.Seq2[abi.Event, error] {
	return func(yield func(abi.Event, error) bool) {
		for {
			ev, err := r.Receive(Forever)
			if errors.Is(err, abi.Closed) && !r.e.IsClosed() {
				return
			}
			if !yield(ev, err) || err != nil {
				return
			}
		}
	}
}

// Response is the stream's HTTP side as it is now.
func (r *Remote) Response() (abi.Response, error) {
	return r.e.response(r.handle)
}

// Close closes the stream. After that its methods answer abi.NotFound.
func (r *Remote) Close() error {
	return check(imports.End(r.handle))
}

// response is the HTTP side of a handle.
func (e *Emitter) response(handle int32) (abi.Response, error) {
	var r abi.Response
	err := e.readJSON(&r, func(buf []byte) int32 { return imports.Response(handle, buf) })
	return r, err
}

// RemoteError is the error for a remote stream that failed: its connection, its HTTP status or the
// stream itself. It wraps its Status.
type RemoteError struct {
	Response abi.Response // Status is 0 where there was no response; Error says what happened
	Status   abi.Status
}

func (e *RemoteError) Error() string {
	return "remote stream: " + cmp.Or(e.Response.Error, e.Status.Error())
}

func (e *RemoteError) Unwrap() error { return e.Status }
