package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

// demoTenant is the tenant that the demo makes.
const demoTenant = "demo"

// demoDrain is short: nobody waits for a demo to end.
const demoDrain = time.Second

type demoCommand struct {
	Listen string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to serve HTTP on; this machine only (${default})."`
}

// Validate keeps the demo on this machine: all that it streams is public.
func (c *demoCommand) Validate() error {
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		return fmt.Errorf("--listen %q is not host:port, such as 127.0.0.1:8080", c.Listen)
	case !isLoopback(host):
		return fmt.Errorf("--listen %s is reached by other machines, and everything in the demo is public: listen on 127.0.0.1, or use millrace serve", c.Listen)
	}
	return nil
}

// demo is one run of the command.
type demo struct {
	*server
	con   *console
	data  string     // throwaway folder
	tools *toolchain // nil where there is no go command
	logs  *logFeed
	token string // the operator's
	url   string // of the server
	feed  string // of the remote that stands in for all others
}

// Run serves the demo until ctx ends, and then removes its data.
func (c *demoCommand) Run(ctx context.Context, con *console) (err error) {
	l, err := listen(c.Listen)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // the server closes it, if it comes that far
	data, err := os.MkdirTemp("", "millrace-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	cache, done, err := buildCache()
	if err != nil {
		return err
	}
	defer done()
	feed := sourcetest.NewServer(sourcetest.New(nil))
	defer feed.Close()
	d := &demo{con: con, data: data, logs: newLogFeed(), url: baseURL(l, false), feed: feed.URL}
	if err := d.prepare(ctx, cache); err != nil {
		return err
	}
	return d.server.run(ctx, func() (net.Listener, error) { return l, nil }, d.live)
}

// prepare makes the server. What it compiles is kept with what the toolchain builds. Its log goes
// to the console from warnings on, and to the stream of logs from information on.
func (d *demo) prepare(ctx context.Context, cache string) (err error) {
	compiled := filepath.Join(d.data, "compiled")
	if d.tools, err = findGo(ctx, cache); err == nil {
		compiled = filepath.Join(d.tools.dir, "compiled")
	} else if !errors.Is(err, errNoGo) {
		return err
	}
	if d.token, _, err = ensureAdminToken(d.data); err != nil {
		return err
	}
	d.server, err = newServer(ctx, serverConfig{
		Data: d.data, Cache: compiled, Compiler: d.con.compiler, Drain: demoDrain, AdminToken: d.token, AllowPrivateOutbound: true,
		Logger: slog.New(slog.NewMultiHandler(
			slog.NewTextHandler(d.con.err, &slog.HandlerOptions{Level: slog.LevelWarn}),
			d.logs.handler(slog.LevelInfo),
		)),
	})
	return err
}

// live is all that goes on in the demo while it serves.
func (d *demo) live(ctx context.Context) error {
	spec := broker.Spec{Outbound: []string{"127.0.0.1"}} // where the sample feed is
	if _, _, err := d.broker.PutTenant(ctx, demoTenant, spec); err != nil {
		return fmt.Errorf("make tenant %s: %w", demoTenant, err)
	}
	samples := newFeed(d.publish, d.measure(), rand.Uint64())
	return runAll(ctx, d.show,
		func(ctx context.Context) error { return samples.run(ctx, d.log) },
		func(ctx context.Context) error { return d.logs.run(ctx, d.publish) })
}

// publish publishes to the demo's tenant, past HTTP.
func (d *demo) publish(ctx context.Context, p broker.Publication) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := d.broker.Publish(ctx, demoTenant, p)
	return err
}

// measure returns what measures the process and the server.
func (d *demo) measure() func(time.Time) measurement {
	var m meter
	return func(now time.Time) measurement {
		v, stats := m.measure(now), d.web.Stats()
		v.Viewers, v.Events = stats.Viewers, stats.Delivered
		return v
	}
}
