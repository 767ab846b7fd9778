package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

type sourcePutCommand struct {
	clientFlags
	Name        string            `arg:"" help:"The source's name."`
	File        string            `short:"f" type:"existingfile" placeholder:"FILE" help:"The whole source as JSON or YAML; other flags go before it."`
	URL         string            `name:"url" placeholder:"URL" help:"The remote stream."`
	Subject     string            `placeholder:"SUBJECT" help:"Where its events go, such as wiki.{event}."`
	Method      string            `placeholder:"METHOD" help:"GET by default."`
	Header      map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"A header to send; {{secret.NAME}} in it stands for a secret."`
	Body        string            `placeholder:"TEXT" help:"The body to send."`
	Plugin      string            `placeholder:"NAME" help:"The plugin whose callbacks see its events."`
	SSE         bool              `name:"sse" help:"Read it as an event stream, whatever it says that it is."`
	LastEventID string            `placeholder:"ID" help:"Begin after this event."`
}

// Run makes or changes the source, which is then started.
func (c *sourcePutCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	spec, err := c.spec()
	if err != nil {
		return err
	}
	var s knownSource
	if err := client.do(ctx, call{method: http.MethodPut, path: pathOf("sources", c.Name), json: spec}, &s); err != nil {
		return err
	}
	con.notef("Source %s reads %s into %s.\n", c.Name, s.URL, s.Subject)
	return nil
}

// spec is the source that is asked for. It stays loose, so that the server names what is wrong in it.
func (c *sourcePutCommand) spec() (map[string]any, error) {
	spec := map[string]any{}
	if c.File != "" {
		b, err := os.ReadFile(c.File)
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal(b, &spec); err != nil { // which JSON is too
			return nil, fmt.Errorf("%s is no source: %w", c.File, err)
		}
	}
	for field, value := range map[string]string{
		"url": c.URL, "subject": c.Subject, "method": c.Method, "body": c.Body, "plugin": c.Plugin, "lastEventId": c.LastEventID,
	} {
		if value != "" {
			spec[field] = value
		}
	}
	if c.SSE {
		spec["sse"] = true
	}
	if len(c.Header) > 0 {
		headers, _ := spec["headers"].(map[string]any)
		if headers == nil {
			headers = map[string]any{}
		}
		for name, value := range c.Header {
			headers[strings.TrimSpace(name)] = value
		}
		spec["headers"] = headers
	}
	return spec, nil
}
