package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/broker/cluster"
)

type serveCommand struct {
	Listen    string        `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to serve HTTP on (${default})."`
	Data      string        `default:"./millrace-data" placeholder:"FOLDER" help:"Where everything is kept (${default})."`
	Node      string        `placeholder:"NAME" help:"This node's name, needed in a cluster; a node that is alone is n1."`
	Drain     time.Duration `default:"30s" placeholder:"DURATION" help:"Over how long viewers are ended at a stop (${default})."`
	Fsync     bool          `help:"Acknowledge an event only when it is on disk, safe from a power cut."`
	TLSCert   string        `name:"tls-cert" placeholder:"FILE" help:"Serve HTTPS with this certificate chain, in PEM. It is read again when it changes."`
	TLSKey    string        `name:"tls-key" placeholder:"FILE" help:"The certificate's key, in PEM."`
	Insecure  bool          `help:"Serve other machines without TLS."`
	LogLevel  slog.Level    `default:"info" placeholder:"LEVEL" help:"debug, info, warn or error (${default})."`
	LogFormat string        `default:"text" enum:"text,json" placeholder:"FORMAT" help:"text or json (${default})."`

	AllowPrivateOutbound bool   `help:"Let sources and callbacks reach loopback and private addresses: for development."`
	MetricsToken         string `placeholder:"TOKEN" help:"Token that opens /metrics besides the operator's; best set by MILLRACE_METRICS_TOKEN."`

	clusterFlags
}

// Validate refuses what would be a danger rather than a mistake in a word.
func (c *serveCommand) Validate() error {
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		return fmt.Errorf("--listen %q is not host:port, such as 127.0.0.1:8080", c.Listen)
	case c.Drain <= 0:
		return fmt.Errorf("--drain %s is not more than nothing", c.Drain)
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together: a certificate is of no use without its key")
	case c.TLSCert == "" && !c.Insecure && !isLoopback(host):
		return fmt.Errorf("--listen %s is reached by other machines, and tokens would cross the network unencrypted: "+
			"give --tls-cert and --tls-key, listen on 127.0.0.1 behind a proxy that does TLS, or add --insecure if the network is trusted", c.Listen)
	}
	return c.check(c.Node)
}

// Run serves until ctx ends.
func (c *serveCommand) Run(ctx context.Context, con *console) (err error) {
	if c.TLSCert != "" { // before anything is made
		if _, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey); err != nil {
			return fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
	}
	storage, err := c.storage()
	if err != nil {
		return err
	}
	unlock, err := lockFolder(c.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	token, made, err := c.adminToken(storage.key)
	if err != nil {
		return err
	}
	if err := isFree(c.Listen); err != nil {
		return err
	}
	s, err := newServer(ctx, serverConfig{
		Data: c.Data, Cache: filepath.Join(c.Data, "cache", "wasm"), Node: cmp.Or(c.Node, "n1"), Fsync: c.Fsync,
		Drain: c.Drain, AdminToken: token, Compiler: con.compiler, Logger: slog.New(c.logHandler(con)),
		AllowPrivateOutbound: c.AllowPrivateOutbound, MetricsToken: c.MetricsToken, Storage: storage,
		TLSCert: c.TLSCert, TLSKey: c.TLSKey,
	})
	if err != nil {
		return err
	}
	if made {
		con.printf("The operator's token, shown this once and kept in %s:\n\n  %s\n\n", filepath.Join(c.Data, adminTokenFile), token)
	}
	var l net.Listener
	open := func() (_ net.Listener, err error) {
		l, err = listen(c.Listen)
		return l, err
	}
	return s.run(ctx, open, func(ctx context.Context) error {
		con.printf("Millrace serves %s\n", baseURL(l, c.TLSCert != ""))
		<-ctx.Done()
		return ctx.Err()
	})
}

// adminToken returns the operator's token, that of the cluster's key if there is one.
func (c *serveCommand) adminToken(key *cluster.Key) (token string, made bool, err error) {
	if key == nil {
		return ensureAdminToken(c.Data)
	}
	token = key.AdminToken()
	return token, false, keepAdminToken(c.Data, token)
}

func (c *serveCommand) logHandler(con *console) slog.Handler {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.NewJSONHandler(con.err, options)
	}
	return slog.NewTextHandler(con.err, options)
}
