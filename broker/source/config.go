package source

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
)

// What happens once a stream is complete.
const (
	DoneStop    = "stop"    // the source is done
	DoneRestart = "restart" // it connects again
)

// What happens when a callback fails.
const (
	ErrorDrop  = "drop"  // the event at hand is left out
	ErrorPass  = "pass"  // it is stored unchanged
	ErrorClose = "close" // the source fails
)

// Config is what users set of a source. Names and meanings are those of the HTTP API; times are
// milliseconds. A zero field takes its default.
type Config struct {
	URL     string            `json:"url" doc:"http:// or https://, without a user and password" example:"https://stream.wikimedia.org/v2/stream/recentchange"`
	Method  string            `json:"method,omitempty" doc:"GET (the default), POST, PUT or PATCH"`
	Headers map[string]string `json:"headers,omitempty" doc:"Up to 64; {{secret.NAME}} in a value stands for the tenant's secret"`
	Body    json.RawMessage   `json:"body,omitempty" doc:"A string is sent as it is, all else as JSON"`

	SSE         bool     `json:"sse,omitempty" doc:"Read the answer as Server-Sent Events whatever its content type"`
	Subject     string   `json:"subject" doc:"Where events are stored; {event} stands for the event's name" example:"wiki.{event}"`
	Events      []string `json:"events,omitempty" doc:"Names of the events to take; none takes all"`
	Plugin      string   `json:"plugin,omitempty" doc:"Its callbacks: name, name@3 or name@sha256:…"`
	LastEventID string   `json:"lastEventId,omitempty" doc:"Sent with the first request"`

	// Absent, Done is [DONE], and empty for content that comes line by line.
	Done    *string `json:"done,omitempty" doc:"The end mark: the data or the name of a complete stream's last event; default [DONE]. Empty, a stream is complete when it ends without being cut, which is also the default for lines"`
	OnDone  string  `json:"onDone,omitempty" doc:"Once a stream is complete: stop (the default), or restart"`
	OnError string  `json:"onError,omitempty" doc:"When a callback fails on an event: drop it (the default), pass it on unchanged, or close the source"`
	Dedupe  bool    `json:"dedupe,omitempty" doc:"Of events that are equal in id, name and data within two minutes, store the first"`

	ConnectTimeout int64 `json:"connectTimeout,omitempty" doc:"Milliseconds until the answer's headers; default 15000, at most a day"`
	IdleTimeout    int64 `json:"idleTimeout,omitempty" doc:"Milliseconds without a byte, at most a day; 0 is none"`
	Timeout        int64 `json:"timeout,omitempty" doc:"Milliseconds of a whole connection, at most a day; the next one follows. 0 is none"`
	MaxEventBytes  int   `json:"maxEventBytes,omitempty" doc:"Of an event's data, or a line; default and most 1 MiB"`

	Retry Retry `json:"retry,omitzero" doc:"How it comes back once it has lost its stream"`
}

// Retry says how a source that has lost its stream comes back. Times are milliseconds.
type Retry struct {
	Initial    int64    `json:"initial,omitempty" doc:"First wait in milliseconds, default 1000; a retry: of the remote replaces it"`
	Max        int64    `json:"max,omitempty" doc:"Milliseconds to which waits double; default 60000, at most a day"`
	Jitter     *float64 `json:"jitter,omitempty" doc:"A wait is longer by up to this part of it, 0 to 1; default 0.5"`
	Attempts   int      `json:"attempts,omitempty" doc:"After so many in a row without an event the source has failed; 0 is no limit"`
	RepeatPost bool     `json:"repeatPost,omitempty" doc:"Send a request other than GET again after it was sent once"`
}

// DefaultDone is the end mark of a source that sets none.
const DefaultDone = "[DONE]"

// maxMillis is the longest time that a source can set, a day.
const maxMillis = int64(24 * time.Hour / time.Millisecond)

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch}

// WithDefaults returns c with its defaults filled in. The error joins a *FieldError for each
// mistake.
func (c Config) WithDefaults() (Config, error) {
	c.Method = cmp.Or(c.Method, http.MethodGet)
	c.OnDone = cmp.Or(c.OnDone, DoneStop)
	c.OnError = cmp.Or(c.OnError, ErrorDrop)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 15_000)
	c.MaxEventBytes = cmp.Or(c.MaxEventBytes, abi.MaxSendBytes)
	c.Retry = c.Retry.withDefaults()
	if bytes.Equal(bytes.TrimSpace(c.Body), []byte("null")) {
		c.Body = nil
	}
	return c, c.check()
}

func (r Retry) withDefaults() Retry {
	r.Initial = cmp.Or(r.Initial, 1000)
	r.Max = cmp.Or(r.Max, max(60_000, r.Initial))
	if r.Jitter == nil {
		r.Jitter = new(0.5)
	}
	return r
}

func (c Config) check() error {
	err := errors.Join(checkURL(c.URL), checkMethod(c.Method), checkHeaders(c.Headers),
		checkSubject(c.Subject), c.checkBody(), c.checkID(), c.checkPolicies(), c.checkTimes(), c.Retry.check())
	for _, name := range c.Events {
		if name == "" || len(name) > abi.MaxNameBytes || strings.ContainsAny(name, "\r\n") {
			err = errors.Join(err, invalid("events", "has a name that is empty, too long or has a line break"))
		}
	}
	return err
}

func (c Config) checkBody() error {
	switch {
	case len(c.Body) == 0:
		return nil
	case len(c.Body) > abi.MaxBodyBytes:
		return invalid("body", "has %d bytes, more than %d", len(c.Body), abi.MaxBodyBytes)
	case !json.Valid(c.Body):
		return invalid("body", "is not JSON")
	case c.Method == http.MethodGet:
		return invalid("body", "does not go with GET")
	}
	return nil
}

func (c Config) checkID() error {
	if !sendable(c.LastEventID) {
		return invalid("lastEventId", "has a control character, or over %d bytes", MaxIDBytes)
	}
	return nil
}

func (c Config) checkPolicies() (err error) {
	if !slices.Contains([]string{DoneStop, DoneRestart}, c.OnDone) {
		err = invalid("onDone", "is neither stop nor restart")
	}
	if c.OnDone == DoneRestart && !c.repeatable() {
		err = invalid("onDone", "is restart, which repeats a %s: it needs retry.repeatPost", c.Method)
	}
	if !slices.Contains([]string{ErrorDrop, ErrorPass, ErrorClose}, c.OnError) {
		err = errors.Join(err, invalid("onError", "is none of drop, pass and close"))
	}
	return err
}

func (c Config) checkTimes() (err error) {
	for _, t := range []struct {
		field string
		value int64
		least int64
	}{
		{"connectTimeout", c.ConnectTimeout, 1}, {"idleTimeout", c.IdleTimeout, 0}, {"timeout", c.Timeout, 0},
		{"retry.initial", c.Retry.Initial, 1}, {"retry.max", c.Retry.Max, 1},
	} {
		if t.value < t.least || t.value > maxMillis {
			err = errors.Join(err, invalid(t.field, "is not from %d to %d", t.least, maxMillis))
		}
	}
	if c.MaxEventBytes < 1 || c.MaxEventBytes > abi.MaxSendBytes {
		err = errors.Join(err, invalid("maxEventBytes", "is not from 1 to %d", abi.MaxSendBytes))
	}
	return err
}

func (r Retry) check() (err error) {
	if r.Max < r.Initial {
		err = invalid("retry.max", "is less than retry.initial")
	}
	if !(*r.Jitter >= 0 && *r.Jitter <= 1) {
		err = errors.Join(err, invalid("retry.jitter", "is not from 0 to 1"))
	}
	if r.Attempts < 0 {
		err = errors.Join(err, invalid("retry.attempts", "is negative"))
	}
	return err
}

// repeatable tells whether the request may be sent again.
func (c Config) repeatable() bool { return c.Method == http.MethodGet || c.Retry.RepeatPost }

// mark is what ends a complete stream; none if its end does.
func (c Config) mark(byLine bool) string {
	switch {
	case c.Done != nil:
		return *c.Done
	case byLine:
		return ""
	}
	return DefaultDone
}

// request is the request of a connection that resumes after lastID.
func (c Config) request(lastID string) Request {
	r := Request{
		URL: c.URL, Method: c.Method, Headers: c.Headers, Body: c.Body, SSE: c.SSE, LastEventID: lastID,
		ConnectTimeout: millis(c.ConnectTimeout), IdleTimeout: millis(c.IdleTimeout), Timeout: millis(c.Timeout),
		MaxEventBytes: c.MaxEventBytes, ContentType: "application/json",
	}
	var text string
	if json.Unmarshal(c.Body, &text) == nil {
		r.Body, r.ContentType = []byte(text), "text/plain; charset=utf-8"
	}
	return r
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
