package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"

	"github.com/millrace/millrace/plugins"
)

// plainRoutes need no plugin: they are there at once, and all there is without a go command.
var plainRoutes = []plugins.Example{
	{Name: "quotes", Route: `{"path": "/quotes/:symbol", "subjects": ["quotes.{symbol}"], "access": "public"}`, Try: "/quotes/AAPL"},
	{Name: "news", Route: `{"path": "/news", "subjects": ["news.>"], "access": "public"}`, Try: "/news"},
}

// show makes the routes, prints what to try, and then builds and serves one example after the other.
func (d *demo) show(ctx context.Context) error {
	client, err := clientFlags{Server: d.url, Token: d.token, Tenant: demoTenant}.client()
	if err != nil {
		return err
	}
	for _, e := range plainRoutes {
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
	d.con.printf("Example plugins, built by %s; the first time takes about a minute:\n", d.tools.version)
	served := 0
	for i, e := range plugins.Examples {
		d.status("  building %s, %d of %d …", e.Name, i+1, len(plugins.Examples))
		err := d.serveExample(ctx, client, e)
		d.status("")
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

func (d *demo) serveExample(ctx context.Context, client *client, e plugins.Example) error {
	wasm, err := d.tools.example(ctx, e.Name)
	if err != nil {
		return err
	}
	deploy := d.deployment(client, e)
	if _, err := deploy.plugin(ctx, wasm); err != nil {
		return err
	}
	_, err = deploy.route(ctx, json.RawMessage(e.Route))
	return err
}

func (d *demo) deployment(client *client, e plugins.Example) deployment {
	return deployment{client: client, con: &console{err: io.Discard}, name: e.Name} // a line each is enough
}

func (d *demo) printRoute(e plugins.Example) {
	d.con.printf("  %-14s curl -N '%s/t/%s%s'\n", e.Name, d.url, demoTenant, e.Try)
}

// status shows a line that the next one replaces, while somebody looks on.
func (d *demo) status(format string, args ...any) {
	if isTerminal(d.con.out) {
		d.con.printf("\r\x1b[K"+format, args...)
	}
}
