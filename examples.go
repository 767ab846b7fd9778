package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/plugins"
)

// plainRoutes need no plugin: they are there at once, and all there is without a go command.
var plainRoutes = []plugins.Example{
	{Name: "quotes", Route: `{"path": "/quotes/:symbol", "subjects": ["quotes.{symbol}"], "access": "public"}`, Try: "/quotes/AAPL"},
	{Name: "news", Route: `{"path": "/news", "subjects": ["news.>"], "access": "public"}`, Try: "/news"},
	{
		Name: "changes", Route: `{"path": "/changes", "subjects": ["changes"], "access": "public"}`, Try: "/changes",
		Source: `{"url": "{feed}/v2/stream/recentchange?n=1000&trickle=400&pause=500", "subject": "changes"}`,
	},
}

// show makes the routes, prints what to try, and then builds and serves one example after the other.
func (d *demo) show(ctx context.Context) error {
	client, err := serverFlags{Server: d.url, Token: d.token}.client(demoTenant)
	if err != nil {
		return err
	}
	for _, e := range plainRoutes {
		if err := d.feedExample(ctx, client, e); err != nil {
			return fmt.Errorf("make source %s: %w", e.Name, err)
		}
		if _, err := d.deployment(client, e).route(ctx, json.RawMessage(e.Route)); err != nil {
			return fmt.Errorf("make route %s: %w", e.Name, err)
		}
	}
	var token struct{ Token string }
	err = client.do(ctx, call{
		method: http.MethodPost, path: pathOf("tokens"), json: map[string]any{"name": "demo", "scopes": []string{"admin"}},
	}, &token)
	if err != nil {
		return fmt.Errorf("make a token: %w", err)
	}
	d.printWelcome(token.Token)
	if d.tools == nil {
		d.con.printf("The example plugins are left out: %v.\n", errNoGo)
	} else {
		d.serveExamples(ctx, client)
	}
	<-ctx.Done()
	return ctx.Err()
}

func (d *demo) printWelcome(token string) {
	d.con.printf("Millrace demo at %s, until Ctrl-C; its data is thrown away then.\n\n", d.url)
	d.con.printf("Streams without a plugin:\n")
	for _, e := range plainRoutes {
		d.printRoute(e)
	}
	d.con.printf("\nPublish, and see it on /t/%s/news:\n  curl -d hello -H 'Authorization: Bearer %s' %s/v1/tenants/%s/events/news.today\n\n",
		demoTenant, token, d.url, demoTenant)
	d.con.printf("The token is tenant %s's, with every scope. The operator's is in %s.\n\n", demoTenant, filepath.Join(d.data, adminTokenFile))
}

// serveExamples builds and deploys every example. One that fails is reported and left out.
func (d *demo) serveExamples(ctx context.Context, client *client) {
	d.con.printf("Example plugins, built by %s; the first time takes a minute or two:\n", d.tools.version)
	served, told := 0, false
	for i, e := range plugins.Examples {
		if readsRemotes(e) && !told {
			d.con.printf("AI streams without a key, and other remotes, all played by a sample feed at %s:\n", d.feed)
			told = true
		}
		statusLine{d.con.out}.printf("  building %s, %d of %d …", e.Name, i+1, len(plugins.Examples))
		err := d.serveExample(ctx, client, e)
		statusLine{d.con.out}.clear()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.con.printf("  %-14s %v\n", e.Name, err)
		default:
			served++
			d.printRoute(e)
		}
	}
	d.con.printf("%d of %d examples are served.\n", served, len(plugins.Examples))
}

// readsRemotes tells whether an example needs remotes.
func readsRemotes(e plugins.Example) bool { return e.Source != "" || len(e.Keys) > 0 }

func (d *demo) serveExample(ctx context.Context, client *client, e plugins.Example) error {
	wasm, err := d.tools.example(ctx, e.Name)
	if err != nil {
		return err
	}
	deploy := d.deployment(client, e)
	if _, err := deploy.plugin(ctx, wasm); err != nil {
		return err
	}
	if err := d.feedExample(ctx, client, e); err != nil {
		return err
	}
	_, err = deploy.route(ctx, json.RawMessage(e.Route))
	return err
}

// feedExample gives an example the remote that it reads, which is the sample feed.
func (d *demo) feedExample(ctx context.Context, client *client, e plugins.Example) error {
	for key, value := range e.Keys {
		if err := d.broker.KVPut(ctx, demoTenant, key, []byte(d.fed(value)), 0); err != nil {
			return err
		}
	}
	for _, name := range e.Secrets {
		if err := d.broker.PutSecret(ctx, demoTenant, name, []byte("none is needed")); err != nil {
			return err
		}
	}
	if e.Source == "" {
		return nil
	}
	return client.do(ctx, call{
		method: http.MethodPut, path: pathOf("sources", e.Name), json: json.RawMessage(d.fed(e.Source)),
	}, nil)
}

// fed is text with the sample feed's address filled in.
func (d *demo) fed(text string) string { return strings.ReplaceAll(text, plugins.Feed, d.feed) }

func (d *demo) deployment(client *client, e plugins.Example) deployment {
	return deployment{client: client, con: &console{err: io.Discard}, name: e.Name} // a line each is enough
}

func (d *demo) printRoute(e plugins.Example) {
	d.con.printf("  %-14s curl -N '%s/t/%s%s'\n", e.Name, d.url, demoTenant, e.Try)
}
