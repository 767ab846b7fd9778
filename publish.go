package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A batch is sent when it has this many lines or bytes: the server takes 1,000 lines at once.
const (
	batchLines = 1000
	batchBytes = 4 << 20
)

// maxLine bounds one line of the input, in bytes.
const maxLine = 8 << 20

type publishCommand struct {
	clientFlags
	Subject string  `arg:"" optional:"" help:"Where to, such as quotes.AAPL."`
	Data    *string `arg:"" optional:"" help:"The data; without it, all of standard input."`
	Event   string  `placeholder:"NAME" help:"The event's name."`
	Key     string  `placeholder:"KEY" help:"Idempotency key: published again within two minutes, it is stored once."`
	NDJSON  bool    `name:"ndjson" help:"Read lines of {\"subject\", \"data\", \"event\", \"key\"} from standard input."`
}

// Validate checks what flags alone cannot say.
func (c *publishCommand) Validate() error {
	switch {
	case c.NDJSON && (c.Subject != "" || c.Event != "" || c.Key != ""):
		return errors.New("with --ndjson each line names its subject, event and key")
	case !c.NDJSON && c.Subject == "":
		return errors.New("give a subject, or --ndjson")
	}
	return nil
}

// Run publishes and prints the id of each event, one a line.
func (c *publishCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if c.NDJSON {
		return publishLines(ctx, client, con)
	}
	id, err := c.publish(ctx, client, con.in)
	if err != nil {
		return err
	}
	con.printf("%s\n", id)
	return nil
}

func (c *publishCommand) publish(ctx context.Context, client *client, in io.Reader) (id string, err error) {
	q := call{
		method: http.MethodPost, path: pathOf("events", c.Subject),
		header: map[string]string{"Content-Type": "text/plain; charset=utf-8"},
		body:   in,
	}
	if c.Data != nil {
		q.body = strings.NewReader(*c.Data)
	}
	if c.Event != "" {
		q.query = url.Values{"event": {c.Event}}
	}
	if c.Key != "" {
		q.header["Idempotency-Key"] = c.Key
	}
	var answer struct {
		ID string `json:"id"`
	}
	err = client.do(ctx, q, &answer)
	return answer.ID, err
}

// publishLines sends standard input in batches. A batch is stored whole or not at all; the error
// says which lines it had.
func publishLines(ctx context.Context, client *client, con *console) error {
	in := bufio.NewScanner(con.in)
	in.Buffer(nil, maxLine)
	for stored := 0; ; {
		batch, lines := readBatch(in)
		if lines == 0 {
			break
		}
		if err := publishBatch(ctx, client, con, batch); err != nil {
			return fmt.Errorf("events %d to %d, with all before them stored: %w", stored+1, stored+lines, err)
		}
		stored += lines
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	return nil
}

// readBatch reads lines up to a batch's bounds, leaving out empty ones. There are none left when it
// returns none.
func readBatch(in *bufio.Scanner) (batch []byte, lines int) {
	for lines < batchLines && len(batch) < batchBytes && in.Scan() {
		if line := bytes.TrimSpace(in.Bytes()); len(line) > 0 {
			batch = append(append(batch, line...), '\n')
			lines++
		}
	}
	return batch, lines
}

func publishBatch(ctx context.Context, client *client, con *console, batch []byte) error {
	var answer struct {
		IDs []string `json:"ids"`
	}
	err := client.do(ctx, call{
		method: http.MethodPost, path: pathOf("events"),
		header: map[string]string{"Content-Type": "application/x-ndjson"},
		body:   bytes.NewReader(batch),
	}, &answer)
	if err != nil {
		return err
	}
	for _, id := range answer.IDs {
		con.printf("%s\n", id)
	}
	return nil
}
