package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/web"
)

// serverConfig says how a server runs. Every field is needed but Node, Fsync, Compiler and the
// last five.
type serverConfig struct {
	Data       string   // folder, which nobody else uses while the server runs
	Cache      string   // folder of compiled plugins
	Compiler   []string // command that compiles them; none compiles in this process
	Node       string
	Fsync      bool
	Drain      time.Duration
	AdminToken string
	Logger     *slog.Logger

	AllowPrivateOutbound bool   // sources and callbacks may reach loopback and private addresses
	MetricsToken         string // opens /metrics besides the operator's
	Storage              storage
	TLSCert, TLSKey      string // files of HTTPS
}

// noticeTime is long enough for a balancer that probes each second to have seen twice that a node drains.
const noticeTime = 3 * time.Second

// notice is how long a drain takes at least. Nobody balances a node that is alone.
func (c serverConfig) notice() time.Duration {
	if c.Storage.key == nil {
		return 0
	}
	return min(noticeTime, c.Drain)
}

// server is one node: broker, host and web, wired together.
type server struct {
	log    *slog.Logger
	broker *broker.Broker
	host   *host.Host
	web    *web.Server
}

// newServer makes a server. Whoever has one runs it, which is what closes it.
func newServer(ctx context.Context, c serverConfig) (*server, error) {
	var s server
	var err error
	s.log = c.Logger
	s.broker, err = broker.New(broker.Config{
		Dir: filepath.Join(c.Data, "broker"), Node: c.Node, Fsync: c.Fsync, Logger: c.Logger, Cluster: c.Storage.cluster, NATS: c.Storage.nats,
		Changed: func(tenant string) { s.web.Changed(tenant) }, // from broker's Run, when web is there
	})
	if err != nil {
		return nil, err
	}
	s.host, err = host.New(ctx, host.Config{
		CacheDir: c.Cache, Compiler: c.Compiler, Module: s.broker.PluginBytes, Logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	v, _ := version()
	s.web, err = web.New(web.Config{
		Broker: s.broker, Host: s.host, AdminToken: c.AdminToken,
		Logger: c.Logger, Drain: c.Drain, Notice: c.notice(), Version: v, Node: c.Node,
		AllowPrivateOutbound: c.AllowPrivateOutbound, MetricsToken: c.MetricsToken,
		CertFile: c.TLSCert, KeyFile: c.TLSKey,
	})
	if err != nil {
		return nil, errors.Join(err, s.host.Close(ctx))
	}
	return &s, nil
}

// run serves until ctx ends, on what open opens once the server can answer: a balancer takes a node
// that lets it connect for one that answers, and in a cluster a start may take ten seconds. beside runs
// while the server does, from then on. Then everything ends in order: web drains, host closes, the
// broker stops. nil is a stop that was asked for.
func (s *server) run(ctx context.Context, open func() (net.Listener, error), beside ...func(context.Context) error) error {
	return within(ctx, s.broker.Run, func(ctx context.Context) (err error) {
		defer func() { err = errors.Join(unlessCanceled(err), s.host.Close(context.WithoutCancel(ctx))) }()
		select {
		case <-s.broker.Ready():
		case <-ctx.Done():
			return nil
		}
		l, err := open()
		if err != nil {
			return err
		}
		serve := func(ctx context.Context) error { return s.web.Run(ctx, l) }
		tidyUp := func(ctx context.Context) error {
			return tidy(ctx, func() int64 { return s.web.Stats().Viewers }, debug.FreeOSMemory)
		}
		return runAll(ctx, append(beside, serve, tidyUp)...)
	})
}

// listen opens the address that a server answers on.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is taken: stop what listens there, or choose another with --listen (port 0 takes a free one)", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}

// isFree tells why an address cannot be listened on, before anything is made for it.
func isFree(address string) error {
	l, err := listen(address)
	if err != nil {
		return err
	}
	return l.Close()
}

// baseURL is where l is reached from this machine.
func baseURL(l net.Listener, tls bool) string {
	u := url.URL{Scheme: "http", Host: l.Addr().String()}
	if tls {
		u.Scheme = "https"
	}
	if address, ok := l.Addr().(*net.TCPAddr); ok && address.IP.IsUnspecified() {
		u.Host = fmt.Sprintf("127.0.0.1:%d", address.Port)
	}
	return u.String()
}
