package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
)

type sourceCommands struct {
	Put    sourcePutCommand    `cmd:"" help:"Make or change a source, and start it."`
	List   sourceListCommand   `cmd:"" help:"List sources and how they stand."`
	Status sourceStatusCommand `cmd:"" help:"Tell how a source stands."`
	Stop   sourceStopCommand   `cmd:"" help:"Stop a source."`
	Start  sourceStartCommand  `cmd:"" help:"Start a source that was stopped, is done or has failed."`
	Delete sourceDeleteCommand `cmd:"" help:"Stop a source and forget it; the events that it brought stay."`
	Logs   sourceLogsCommand   `cmd:"" help:"Print what a source and its plugin log, as it comes."`
}

// knownSource is what the API tells of a source.
type knownSource struct {
	broker.Source
	Status source.Status `json:"status"`
}

// sourceFlags are those of a command for one source.
type sourceFlags struct {
	clientFlags
	Name string `arg:"" help:"The source's name."`
}

// do makes a call that has no answer worth telling.
func (f sourceFlags) do(ctx context.Context, method string, more ...string) error {
	client, err := f.client()
	if err != nil {
		return err
	}
	return client.do(ctx, call{method: method, path: pathOf(append([]string{"sources", f.Name}, more...)...)}, nil)
}

type sourceListCommand struct{ clientFlags }

// Run prints a table.
func (c *sourceListCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	var answer struct{ Sources []knownSource }
	if err := client.do(ctx, call{method: http.MethodGet, path: pathOf("sources")}, &answer); err != nil {
		return err
	}
	t := newTable(con.out)
	t.row("NAME", "STATE", "EVENTS", "SUBJECT", "URL")
	for _, s := range answer.Sources {
		t.row(s.Name, string(s.Status.State), fmt.Sprint(s.Status.Events), s.Subject, s.URL)
	}
	return t.flush()
}

type sourceStopCommand struct{ sourceFlags }

// Run stops the source.
func (c *sourceStopCommand) Run(ctx context.Context, con *console) error {
	if err := c.do(ctx, http.MethodPost, "stop"); err != nil {
		return err
	}
	con.notef("Source %s is stopped.\n", c.Name)
	return nil
}

type sourceStartCommand struct{ sourceFlags }

// Run starts the source.
func (c *sourceStartCommand) Run(ctx context.Context, con *console) error {
	if err := c.do(ctx, http.MethodPost, "start"); err != nil {
		return err
	}
	con.notef("Source %s is started.\n", c.Name)
	return nil
}

type sourceDeleteCommand struct{ sourceFlags }

// Run deletes the source.
func (c *sourceDeleteCommand) Run(ctx context.Context, con *console) error {
	if err := c.do(ctx, http.MethodDelete); err != nil {
		return err
	}
	con.notef("Source %s is deleted.\n", c.Name)
	return nil
}

type sourceLogsCommand struct{ sourceFlags }

// Run prints lines until ctx ends. After a connection that broke it begins with the last lines that
// the server has, some of which it may have printed.
func (c *sourceLogsCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return newTail(client, con, pathOf("sources", c.Name, "logs")).run(ctx)
}
