//go:build !wasip1

// Package guesttest runs a plugin's callbacks under plain go test, with a host of its own in place
// of Millrace: it hands in a request, events and scripted remote streams, keeps what the callback
// sends, and answers with the statuses that Millrace would.
//
// Time is virtual: the callback runs in a bubble of testing/synctest, where waiting costs nothing.
// It starts at midnight UTC on 2000-01-01. The package knows nothing of wasm; that a plugin builds
// and runs as a module is for a test of its own.
package guesttest

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/internal/imports"
)

// Host is what a callback runs against. The zero Host is a viewer who asks for nothing, on a route
// without events. Several calls on one Host are later calls to the same plugin: time goes on, and
// the key-value store keeps what it has.
type Host struct {
	Request abi.Request
	Body    []byte

	// Events are what Receive gives to onStream, each no sooner than its Time: a zero Time is at
	// once, one to come is waited for. When all have been read, the stream ends.
	Events []abi.Event

	// Leave is how long the viewer stays; by default 24 hours.
	Leave time.Duration

	// Open answers what a callback opens. An error is what open answers, by its status. By default it
	// is abi.Denied: nothing is on the tenant's allow-list.
	Open func(r abi.OpenRequest) (Remote, error)

	// Response is the HTTP side of the source whose callback runs; nil on a route.
	Response *abi.Response

	// KV is the tenant's key-value store.
	KV map[string][]byte

	expires map[string]time.Time // of the keys in KV that have a time to live
	elapsed time.Duration        // by all calls so far
}

// Stream runs a plugin's onStream for one viewer and returns what came of it.
func (h *Host) Stream(t *testing.T, onStream func() int32) *Result {
	t.Helper()
	return h.run(t, onStream, &call{host: h, events: h.Events})
}

// Event runs a plugin's onEvent or onChunk for e and returns what came of it.
func (h *Host) Event(t *testing.T, callback func() int32, e abi.Event) *Result {
	t.Helper()
	return h.run(t, callback, &call{host: h, events: []abi.Event{e}, brief: true})
}

// RequestStart runs a source's onRequestStart, which has nowhere to send to.
func (h *Host) RequestStart(t *testing.T, onRequestStart func() int32) *Result {
	t.Helper()
	return h.run(t, onRequestStart, &call{host: h, brief: true, mute: true})
}

// End runs a source's onComplete or onError, and returns what came of it.
func (h *Host) End(t *testing.T, callback func() int32) *Result {
	t.Helper()
	return h.run(t, callback, &call{host: h, brief: true})
}

func (h *Host) run(t *testing.T, callback func() int32, c *call) *Result {
	t.Helper()
	if h.KV == nil {
		h.KV = map[string][]byte{}
	}
	if h.expires == nil {
		h.expires = map[string]time.Time{}
	}
	var err error
	if c.request, err = json.Marshal(h.Request); err != nil {
		t.Fatal(err)
	}
	defer imports.Use(c)()
	synctest.Test(t, func(*testing.T) {
		time.Sleep(h.elapsed) // the clock of every bubble starts anew
		start := time.Now()
		c.end = start.Add(h.leave())
		c.result.Code = callback()
		c.result.Took = time.Since(start)
		h.elapsed += c.result.Took
	})
	return &c.result
}

func (h *Host) leave() time.Duration {
	if h.Leave == 0 {
		return 24 * time.Hour
	}
	return h.Leave
}

// Wait lets time pass between two calls.
func (h *Host) Wait(d time.Duration) {
	h.elapsed += d
}

// Result is what a callback did.
type Result struct {
	Code      int32       // what it returned
	Sent      []abi.Event // Data, Name and ID
	Comments  []string    //
	Published []abi.Event // Subject, Data, Name and ID
	Opened    []abi.OpenRequest
	Log       []Line        //
	Closed    bool          // it called Close
	Took      time.Duration // by the virtual clock
}

// Passed tells whether onEvent let its event go on.
func (r *Result) Passed() bool {
	return r.Code == abi.EventPass
}

// Line is one line of the plugin's log.
type Line struct {
	Level int32 // of abi's log levels
	Text  string
}
