//go:build !wasip1

package guesttest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"

	"github.com/millrace/millrace/abi"
)

// Remote is a scripted remote stream.
type Remote struct {
	// Response is its HTTP side. By default it has the URL that was asked for and status 200; what
	// changes while the stream is read is filled in.
	Response abi.Response

	// Events are what the stream sends, each no sooner than its Time.
	Events []abi.Event

	// Err is how the stream fails after its last event: Receive answers with its status, and the
	// response has its text. Nil is an orderly end.
	Err error
}

// remote is a stream while it is read.
type remote struct {
	Remote
	closed bool
}

func (c *call) Open(request string) int32 {
	r, status := parseOpen(request)
	if status != abi.OK {
		return int32(status)
	}
	open := 0
	for _, m := range c.remotes {
		if !m.closed {
			open++
		}
	}
	switch {
	case c.closed():
		return int32(abi.Closed)
	case open >= abi.MaxRemotes:
		return int32(abi.Limit)
	case c.host.Open == nil:
		return int32(abi.Denied)
	}
	c.result.Opened = append(c.result.Opened, r)
	answer, err := c.host.Open(r)
	if err != nil {
		return int32(abi.StatusOf(err))
	}
	answer.Response.URL = cmp.Or(answer.Response.URL, r.URL)
	answer.Response.Status = cmp.Or(answer.Response.Status, 200)
	answer.Response.Attempts = 1
	answer.Response.LastEventID = r.LastEventID
	c.remotes = append(c.remotes, &remote{Remote: answer})
	return int32(len(c.remotes))
}

// parseOpen reads the document that open takes, as strictly as Millrace does.
func parseOpen(request string) (abi.OpenRequest, abi.Status) {
	var r abi.OpenRequest
	if len(request) > abi.MaxSendBytes {
		return r, abi.TooBig
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(request)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return r, abi.Invalid
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return r, abi.Invalid
	}
	switch r.Method {
	case "", "GET":
		if len(r.Body) > 0 {
			return r, abi.Invalid
		}
	case "POST", "PUT", "PATCH":
	default:
		return r, abi.Invalid
	}
	if min(r.ConnectTimeout, r.IdleTimeout, r.Timeout) < 0 {
		return r, abi.Invalid
	}
	return r, abi.OK
}

// remote returns the open stream of a handle, or nil.
func (c *call) remote(handle int32) *remote {
	if handle < 1 || int(handle) > len(c.remotes) || c.remotes[handle-1].closed {
		return nil
	}
	return c.remotes[handle-1]
}

func (c *call) receiveRemote(handle int32, buf []byte, timeoutMS int64) int32 {
	r := c.remote(handle)
	switch {
	case r == nil:
		return int32(abi.NotFound)
	case c.closed():
		return int32(abi.Closed)
	case len(r.Events) == 0 && r.Err == nil:
		return int32(abi.Closed)
	case len(r.Events) == 0:
		r.Response.Error = r.Err.Error()
		return int32(abi.StatusOf(r.Err))
	}
	next := r.Events[0]
	if status := c.await(next.Time, timeoutMS); status != abi.OK {
		return int32(status)
	}
	n := take(&r.Events, buf)
	if int(n) <= len(buf) && (next.ID != "" || next.EmptyID) {
		r.Response.LastEventID = next.ID
	}
	return n
}

func (c *call) Response(handle int32, buf []byte) int32 {
	response := c.host.Response
	if r := c.remote(handle); r != nil {
		response = &r.Response
	} else if handle != 0 || response == nil {
		return int32(abi.NotFound)
	}
	doc, err := json.Marshal(response)
	if err != nil {
		panic(err) // it has text and numbers only
	}
	return fill(buf, doc)
}

func (c *call) End(handle int32) int32 {
	r := c.remote(handle)
	if r == nil {
		return int32(abi.NotFound)
	}
	r.closed = true
	return 0
}
