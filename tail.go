package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/broker"
)

// How long tail waits before it connects again: the first wait, which doubles up to the last.
const (
	firstWait = 500 * time.Millisecond
	lastWait  = 30 * time.Second
)

// maxTailEvent bounds one event that tail reads, in bytes. It is above every limit that a server
// sets for one that is published.
const maxTailEvent = 64 << 20

type tailCommand struct {
	clientFlags
	Subjects []string  `arg:"" help:"Subjects; * is one word, > is all that follow."`
	Since    time.Time `xor:"start" placeholder:"TIME" help:"Begin with the events since then, such as 2026-01-31T12:00:00Z."`
	From     string    `xor:"start" placeholder:"ID" help:"Begin after the event with this id, or with the earliest."`
	JSON     bool      `name:"json" help:"Print each event as a line of JSON, with its id and name."`
}

// Validate refuses an id that is none, which the server would take for one of a history that is gone.
func (c *tailCommand) Validate() error {
	if _, ok := broker.ParsePosition(c.From); c.From != "" && c.From != "earliest" && !ok {
		return fmt.Errorf("--from %q is neither the id of an event nor the word earliest", c.From)
	}
	return nil
}

// Run prints events until ctx ends or the server says that no more will come. When the connection
// breaks it comes back after the last event that it printed.
func (c *tailCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	t := newTail(client, con, pathOf("events"))
	t.query, t.json, t.last = url.Values{"subject": c.Subjects}, c.JSON, c.From
	if !c.Since.IsZero() {
		t.query.Set("since", c.Since.Format(time.RFC3339Nano))
	}
	return t.run(ctx)
}

// tail is a stream that is read over as many connections as it takes.
type tail struct {
	client *client
	path   string
	query  url.Values
	con    *console
	json   bool

	last     string        // id of the last event, or earliest; a connection begins after it
	base     time.Duration // the first wait; the server may set it
	failures int           // connections in a row that brought nothing
	opened   bool          // the server did answer once
}

// newTail returns the tail of the stream at path, from now on.
func newTail(client *client, con *console, path string) *tail {
	client.http.Transport.(*http.Transport).DisableCompression = true // it would hold events back
	return &tail{client: client, path: path, con: con, base: firstWait}
}

// errNoMore is returned by read when the server says that the stream is over for good.
var errNoMore = errors.New("no more events")

func (t *tail) run(ctx context.Context) error {
	for {
		err := t.read(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, errNoMore):
			return nil
		case !t.worthAnother(err):
			return err
		}
		wait := t.wait(err)
		t.con.notef("millrace: %v; connecting again in %s\n", err, wait.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// read is one connection: it prints events until that ends, which is always an error.
func (t *tail) read(ctx context.Context) error {
	q := call{method: http.MethodGet, path: t.path, query: t.query, header: map[string]string{"Accept": "text/event-stream"}}
	if t.last != "" {
		q.header["Last-Event-ID"] = t.last
	}
	resp, err := t.client.send(ctx, q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return errNoMore
	}
	t.opened = true
	r := sse.NewReader(resp.Body, maxTailEvent)
	for {
		e, err := r.Next()
		t.note(r)
		if err == io.EOF {
			return errors.New("the server ended the stream")
		}
		if err != nil {
			return fmt.Errorf("the stream broke off: %w", err)
		}
		t.failures = 0
		if err := t.print(e); err != nil {
			return &printError{err}
		}
	}
}

// note keeps what the next connection needs. An id goes before since, at the server too.
func (t *tail) note(r *sse.Reader) {
	if id := r.LastEventID(); id != "" {
		t.last = id
	}
	if d, ok := r.Retry(); ok {
		t.base = min(max(d, 10*time.Millisecond), lastWait)
	}
}

// printError is an output that takes no more: nothing is worth another try.
type printError struct{ err error }

func (e *printError) Error() string { return fmt.Sprintf("print an event: %v", e.err) }
func (e *printError) Unwrap() error { return e.err }

// worthAnother tells whether a new connection may go better: not if the first one never came to
// be, and not after a refusal that will be repeated.
func (t *tail) worthAnother(err error) bool {
	if _, ok := errors.AsType[*printError](err); ok {
		return false
	}
	if p, ok := errors.AsType[*problem](err); ok {
		return p.Status == http.StatusTooManyRequests || p.Status >= 500
	}
	return t.opened && !errors.Is(err, abi.TooBig)
}

// wait is how long to wait after err: what the server asks for, else ever longer, and never the
// same for all who were cut at once.
func (t *tail) wait(err error) time.Duration {
	if p, ok := errors.AsType[*problem](err); ok && p.retryAfter > 0 {
		return p.retryAfter
	}
	d := min(t.base<<min(t.failures, 10), lastWait)
	t.failures++
	return d/2 + rand.N(d/2+1)
}

// print writes the event's data, or all of it as JSON. What the server says about the stream itself
// goes to standard error.
func (t *tail) print(e abi.Event) error {
	name := e.Name
	if name == "error" && e.ID != "" {
		name = "" // somebody's event of that name; the server's ends a stream and has no id
	}
	switch name {
	case "gap":
		t.con.notef("millrace: history no longer reaches back; the oldest event left is %s\n", e.Data)
		return nil
	case "reset":
		t.con.notef("millrace: the id is not of this history; going on with what comes now\n")
		return nil
	case "error", "expired":
		t.con.notef("millrace: the server ended the stream: %s %s\n", e.Name, e.Data)
		return nil
	}
	if !t.json {
		_, err := fmt.Fprintln(t.con.out, e.Data)
		return err
	}
	line, err := json.Marshal(struct {
		ID    string `json:"id,omitempty"`
		Event string `json:"event,omitempty"`
		Data  string `json:"data"`
	}{e.ID, e.Name, e.Data})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.con.out, "%s\n", line)
	return err
}
