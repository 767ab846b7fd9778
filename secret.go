package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/millrace/millrace/broker"
)

type secretCommands struct {
	Put    secretPutCommand    `cmd:"" help:"Store a secret, which is read from standard input."`
	List   secretListCommand   `cmd:"" help:"List the names of secrets."`
	Delete secretDeleteCommand `cmd:"" help:"Delete a secret."`
}

type secretPutCommand struct {
	clientFlags
	Name  string   `arg:"" help:"The secret's name; {{secret.NAME}} stands for it in headers."`
	Hosts []string `name:"host" placeholder:"HOST" help:"Host that the secret may be sent to, such as api.openai.com or *.example.com; may be repeated. Without one it is sent to all that the tenant reaches."`
}

// Run reads the value, without a line break at its end, and stores it. A value is no argument, since
// those can be seen by others and are kept by shells.
func (c *secretPutCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	value, err := readSecret(con, c.Name)
	if err != nil {
		return fmt.Errorf("read the secret: %w", err)
	}
	query := url.Values{}
	if len(c.Hosts) > 0 {
		query.Set("hosts", strings.Join(c.Hosts, ","))
	}
	err = client.do(ctx, call{
		method: http.MethodPut, path: pathOf("secrets", c.Name), query: query,
		header: map[string]string{"Content-Type": "application/octet-stream"}, body: bytes.NewReader(value), size: int64(len(value)),
	}, nil)
	if err != nil {
		return err
	}
	con.notef("Secret %s is stored.\n", c.Name)
	return nil
}

// readSecret asks for the value where somebody sits at a terminal, without showing it.
func readSecret(con *console, name string) ([]byte, error) {
	var value []byte
	var err error
	if f, ok := con.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		con.notef("Value of %s: ", name)
		value, err = term.ReadPassword(int(f.Fd()))
		con.notef("\n")
	} else {
		value, err = io.ReadAll(io.LimitReader(con.in, broker.MaxSecretBytes+3))
	}
	value = bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r"))
	switch {
	case err != nil:
		return nil, err
	case len(value) == 0:
		return nil, errors.New("it is empty")
	case len(value) > broker.MaxSecretBytes:
		return nil, fmt.Errorf("it is over %d bytes", broker.MaxSecretBytes)
	}
	return value, nil
}

type secretListCommand struct{ clientFlags }

// Run prints a table.
func (c *secretListCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	var answer struct {
		Secrets []struct {
			Name  string
			Put   time.Time
			Hosts []string
		}
	}
	if err := client.do(ctx, call{method: http.MethodGet, path: pathOf("secrets")}, &answer); err != nil {
		return err
	}
	t := newTable(con.out)
	t.row("NAME", "STORED", "FOR")
	for _, s := range answer.Secrets {
		t.row(s.Name, s.Put.Local().Format(time.DateTime), cmp.Or(strings.Join(s.Hosts, " "), "all"))
	}
	return t.flush()
}

type secretDeleteCommand struct {
	clientFlags
	Name string `arg:"" help:"The secret's name."`
}

// Run deletes the secret.
func (c *secretDeleteCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := client.do(ctx, call{method: http.MethodDelete, path: pathOf("secrets", c.Name)}, nil); err != nil {
		return err
	}
	con.notef("Secret %s is deleted.\n", c.Name)
	return nil
}
