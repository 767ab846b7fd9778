package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/millrace/millrace/broker/source"
)

// watchEvery is how often --watch looks.
const watchEvery = time.Second

type sourceStatusCommand struct {
	sourceFlags
	Watch bool `help:"Go on, and print whenever it changes."`
	JSON  bool `name:"json" help:"Print the source with its status as JSON."`
}

// Run prints the status, and with --watch each change of it until ctx ends.
func (c *sourceStatusCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	var last []byte
	lines := 0
	for {
		text, err := c.text(ctx, client)
		switch {
		case c.Watch && ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if !bytes.Equal(text, last) {
			if isTerminal(con.out) && lines > 0 && !c.JSON {
				con.printf("\x1b[%dA\x1b[J", lines) // over the one before
			}
			con.printf("%s", text)
			last, lines = text, bytes.Count(text, []byte("\n"))
		}
		if !c.Watch {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

// text is the status as it is printed.
func (c *sourceStatusCommand) text(ctx context.Context, client *client) ([]byte, error) {
	var doc json.RawMessage
	if err := client.do(ctx, call{method: http.MethodGet, path: pathOf("sources", c.Name)}, &doc); err != nil {
		return nil, err
	}
	if c.JSON {
		return append(bytes.TrimSpace(doc), '\n'), nil
	}
	var s knownSource
	if err := json.Unmarshal(doc, &s); err != nil {
		return nil, fmt.Errorf("read the source: %w", err)
	}
	var b bytes.Buffer
	err := printSource(&b, s)
	return b.Bytes(), err
}

// printSource writes what there is to know of a source, a line each, without what it has not.
func printSource(w io.Writer, s knownSource) error {
	t := newTable(w)
	line := func(name, value string) {
		if value != "" {
			t.row(name, value)
		}
	}
	status := s.Status
	line("source", s.Name)
	line("reads", s.URL)
	line("into", s.Subject)
	line("plugin", s.Plugin)
	line("state", string(status.State))
	line("node", status.Node)
	line("events", fmt.Sprintf("%d received, %d stored, %d dropped", status.Events, status.Stored, status.Dropped))
	line("bytes", bytesText(int64(status.Bytes)))
	line("connections", fmt.Sprint(status.Connections))
	if status.Attempts > 0 {
		line("attempts", fmt.Sprintf("%d in a row without an event", status.Attempts))
	}
	if status.State == source.Waiting && !status.NextAttempt.IsZero() {
		line("next attempt", status.NextAttempt.Local().Format(time.DateTime))
	}
	line("lag", fmt.Sprintf("%d ms", status.LagMs))
	line("last event", status.LastEventID)
	line("last error", status.LastError)
	return t.flush()
}
