// Package web is Millrace over HTTP: the streams that viewers open, the admin API, publishing, and
// the probes.
//
// It owns which streams are open and what they are to get, the prepared callbacks of the routes that
// are in force, and who may do what. Bytes get to viewers by web/wire, which knows nothing of events.
// What is stored lives in broker, what is run lives in host, and this package is the only one that
// knows both; the other way round neither knows HTTP.
package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/web/wire"
)

// Config says how a Server runs. A zero field takes its default.
type Config struct {
	Broker     *broker.Broker
	Host       *host.Host
	AdminToken string // the operator's
	Logger     *slog.Logger
	Version    string
	Node       string // this node's name, as the broker has it; default n1

	Drain        time.Duration // over which open streams are ended when Run's context does; default 30 s
	Notice       time.Duration // that a drain by Run's context takes at least, so that a balancer has seen it; default none
	Apart        time.Duration // that the node may be without most of the others before its viewers are sent elsewhere; default 3 s
	WriteTimeout time.Duration // that a viewer without keep-alives may take none of what waits for it; default 15 s
	Viewers      int           // streams open at most; default is what open files allow, up to 100,000
	QueueBytes   int           // waiting for one viewer of a callback of its own at most; default 256 KiB
	RingBytes    int           // of recent frames per channel; default 1 MiB
	MaxBodyBytes int64         // of a publish batch; default 16 MiB

	CertFile, KeyFile string        // of HTTPS, in PEM; without them it is plain HTTP
	CertCheck         time.Duration // between looks at them for a change; default 10 s

	AllowPrivateOutbound bool   // sources and open may reach loopback and private addresses: for development
	Sources              int    // that this node runs at most, others wait; default 1,000
	Remotes              int    // streams that plugins have open at most; default 1,000
	TenantRemotes        int    // of them for one tenant; default 200
	MetricsToken         string // opens /metrics, as the operator's does; empty is none
}

func (c Config) withDefaults() (_ Config, err error) {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	c.Drain = cmp.Or(c.Drain, 30*time.Second)
	c.Apart = cmp.Or(c.Apart, 3*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 15*time.Second)
	c.Viewers = cmp.Or(c.Viewers, defaultViewers(openFiles()))
	c.QueueBytes = cmp.Or(c.QueueBytes, 256<<10)
	c.RingBytes = cmp.Or(c.RingBytes, 1<<20)
	c.MaxBodyBytes = cmp.Or(c.MaxBodyBytes, 16<<20)
	c.CertCheck = cmp.Or(c.CertCheck, 10*time.Second)
	c.Node = cmp.Or(c.Node, "n1")
	c.Sources = cmp.Or(c.Sources, 1000)
	c.Remotes = cmp.Or(c.Remotes, 1000)
	c.TenantRemotes = cmp.Or(c.TenantRemotes, 200)
	if c.Broker == nil || c.Host == nil {
		err = errors.Join(err, errors.New("broker and host are required"))
	}
	if len(c.AdminToken) < 16 {
		err = errors.Join(err, errors.New("operator token has fewer than 16 characters"))
	}
	if n := len(c.MetricsToken); n > 0 && n < 16 {
		err = errors.Join(err, errors.New("metrics token has fewer than 16 characters"))
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		err = errors.Join(err, errors.New("a TLS certificate and its key go together"))
	}
	if c.Drain < 0 || c.WriteTimeout < 0 || c.CertCheck < 0 || c.Notice < 0 || c.Apart < 0 {
		err = errors.Join(err, errors.New("a duration is negative"))
	}
	if c.Viewers < 0 || c.QueueBytes < 0 || c.RingBytes < 0 || c.MaxBodyBytes < 0 ||
		c.Sources < 0 || c.Remotes < 0 || c.TenantRemotes < 0 {
		err = errors.Join(err, errors.New("a bound is negative"))
	}
	return c, err
}

// Server answers HTTP for one node. Its methods are safe for concurrent use.
type Server struct {
	config      Config
	log         *slog.Logger
	broker      *broker.Broker
	echo        *echo.Echo
	tenancies   *tenancies
	sites       *sites
	streams     *streams
	writers     *wire.Writers
	channels    *channels
	workers     *workers
	logs        *lineLogs
	lookups     *lookups
	certificate *certificate // nil without TLS
	remotes     *room        // of streams that plugins have open
	backups     *room        // of backups and restores
	writes      turns        // of those who change one tenant's routes
	gate        *gate
	guests      sync.WaitGroup // callbacks of streams; they may outlive their handler by host's grace

	published atomic.Uint64
}

// Stats is what a Server has done since it started, and what it holds now.
type Stats struct {
	Viewers   int64  // streams open now
	Delivered uint64 // frames written to viewers
	Writes    uint64 // that carried them, or keep-alives
	Cut       uint64 // viewers, for being slow
	RingBytes int64  // of recent frames that are kept for all
	HeldBytes int64  // of large frames, for viewers in the midst of them
	Published uint64 // events acknowledged to publishers
	Sources   int64  // that have a place on this node now
	Remotes   int64  // streams that plugins have open now
}

// Stats returns the figures of this moment.
func (s *Server) Stats() Stats {
	w := s.writers.Stats()
	return Stats{
		Viewers: int64(s.streams.count()), Delivered: w.Delivered, Writes: w.Writes, Cut: w.Cut,
		RingBytes: w.RingBytes, HeldBytes: w.HeldBytes, Published: s.published.Load(),
		Sources: int64(len(s.workers.slots)), Remotes: s.remotes.taken.Load(),
	}
}

// New makes a Server. It starts nothing.
func New(c Config) (*Server, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s := &Server{
		config: c, log: c.Logger, broker: c.Broker,
		streams: newStreams(), logs: newLineLogs(), remotes: &room{most: int64(c.Remotes)},
		backups: &room{most: maxBackups},
	}
	if s.writers, err = wire.New(wire.Config{LastWords: lastWords, Patience: c.WriteTimeout}); err != nil {
		return nil, err
	}
	if s.certificate, err = c.openCertificate(); err != nil {
		return nil, err
	}
	s.tenancies = newTenancies(c.Host, s.newOutbound)
	s.sites = newSites(c.Broker, c.Host, s.tenancies, c.Logger, s.noticed)
	s.gate = &gate{server: s}
	s.channels = newChannels(s)
	s.lookups = newLookups(s.lookFresh)
	s.workers = newWorkers(s)
	s.echo = s.newEcho()
	return s, nil
}

// Changed tells that what the registry knows of a tenant changed. It is meant for
// broker.Config.Changed and returns at once.
func (s *Server) Changed(tenant string) { s.sites.changed(tenant) }

// noticed follows a change of a tenant: streams whose token, route or tenant is gone end, and sources
// run as the registry says. view is nil for a tenant that is gone.
func (s *Server) noticed(ctx context.Context, tenant string, view *broker.View) {
	s.streams.recheck(tenant, view, s.config.Drain)
	s.workers.follow(ctx, tenant)
	if view == nil {
		s.logs.forgetTenant(tenant)
		s.tenancies.forget(tenant)
	}
}

// Run serves on l until ctx ends, and then drains: readiness off, no new streams, the open ones
// ended over Config.Drain. It closes l and returns when the last has ended.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	writing, stopWriting := context.WithCancel(work)
	defer stopWriting()
	var wg sync.WaitGroup
	failed := make(chan error, 2)
	wg.Go(func() { s.sites.run(work) })
	wg.Go(func() { s.channels.run(work) })
	wg.Go(func() { s.gate.follow(work) })
	wg.Go(func() { s.answerOthers(work) })
	wg.Go(func() {
		if err := s.writers.Run(writing); writing.Err() == nil {
			failed <- err
		}
	})
	defer s.tenancies.close()
	defer wg.Wait()
	defer stop()
	// Sources end with the first of a drain, so that other nodes can take them over.
	pulling, stopPulling := context.WithCancel(ctx)
	defer stopPulling()
	wg.Go(func() { s.workers.run(pulling) })

	if s.certificate != nil {
		wg.Go(func() { s.certificate.watch(work, s.config.CertCheck) })
	}

	server := s.listener()
	wg.Go(func() { failed <- fmt.Errorf("serve: %w", s.listen(server, l)) })
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	s.drain(work, err == nil)
	shutDown(work, server)
	stopWriting() // who did not take the end of its stream in time is cut
	s.guests.Wait()
	return err
}

// drain ends all streams, at once or over Config.Drain. Meanwhile the listener stays: probes and new
// viewers are answered 503, for Config.Notice at least, or a balancer would send requests to a node
// that is gone.
func (s *Server) drain(ctx context.Context, slowly bool) {
	var over, notice time.Duration
	if slowly {
		over, notice = s.config.Drain, s.config.Notice
	}
	s.log.Info("draining", "viewers", s.streams.count(), "over", over)
	noticed := time.NewTimer(notice)
	defer noticed.Stop()
	s.gate.stop()
	ctx, cancel := context.WithTimeout(ctx, over+s.config.WriteTimeout)
	defer cancel()
	if err := s.writers.Drain(ctx, errDrain, over); err != nil {
		s.log.Info("viewers did not take the end of their streams", "viewers", s.streams.count())
	}
	<-noticed.C
}

// shutDown lets the requests that are being answered end, for a while.
func shutDown(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close()
	}
}

// ServeHTTP answers one request, whichever of the tenants' hosts or the server's own it is for.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The deadline of a stream that was on this connection before would still hold.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	w = &answer{ResponseWriter: w}
	if tenant := s.sites.byHost(r.Host); tenant != "" {
		c := s.echo.NewContext(r, w)
		serve := s.recoverPanic(func(c echo.Context) error { return s.serveTenant(c, tenant, r.URL.EscapedPath()) })
		if err := serve(c); err != nil {
			s.handleError(err, c)
		}
		return
	}
	s.echo.ServeHTTP(w, r)
}

// answerTimeout is for an answer to be written, from when it begins; streams have a timeout a write.
const answerTimeout = time.Minute

// answer is a response whose time to be written begins with it, not with the request, which may
// take as long as its body does.
type answer struct{ http.ResponseWriter }

// WriteHeader begins the answer.
func (a *answer) WriteHeader(status int) {
	_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(time.Now().Add(answerTimeout))
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (s *Server) newEcho() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.handleError
	e.Use(s.recoverPanic, s.unknownHost)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		e.Add(method, "/healthz", s.healthz)
		e.Add(method, "/readyz", s.readyz)
	}
	e.Any("/t/:tenant", s.stream)
	e.Any("/t/:tenant/*", s.stream)
	s.metricsCall(e)
	s.adminAPI(e)
	return e
}
