package web

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/millrace/millrace/broker/source"
)

// metricsCall registers /metrics: the figures of web, host and broker, of every source that this node
// runs, of the process and of Go.
func (s *Server) metricsCall(e *echo.Echo) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		newCollector(s),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	scrape := promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes})
	e.GET("/metrics", func(c echo.Context) error {
		if err := s.admitScrape(c.Request()); err != nil {
			return err
		}
		scrape.ServeHTTP(c.Response(), c.Request())
		return nil
	})
}

// maxScrapes are answered at a time.
const maxScrapes = 4

// admitScrape is the access check of /metrics. Names of tenants and sources are in it, and a proxy on
// the same machine makes everybody look like loopback: so it takes the operator's token, or one that
// opens nothing else.
func (s *Server) admitScrape(r *http.Request) error {
	own := s.config.MetricsToken
	if own != "" && subtle.ConstantTimeCompare([]byte(credentials(r)), []byte(own)) == 1 {
		return nil
	}
	_, err := s.admit(r, nil, need{scope: scopeOperator})
	return err
}

// collector makes metrics of snapshots: nothing is counted twice, and none outlives what it is of.
// The only labels are those of sources, up to maxSourceSeries of them.
type collector struct {
	server *Server
	build  *prometheus.Desc
	state  *prometheus.Desc
	states *prometheus.Desc
	bytes  *prometheus.Desc
	events *prometheus.Desc
	node   []figure
	source []sourceFigure
}

// maxSourceSeries is how many sources have metrics of their own. A node knows of more only if most
// of them wait.
const maxSourceSeries = 2000

// figure is a number of the node.
type figure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(f *figures) float64
}

// sourceFigure is a number of one source.
type sourceFigure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(s *source.Status) float64
}

var _ prometheus.Collector = (*collector)(nil)

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

func newCollector(s *Server) *collector {
	c := &collector{server: s}
	c.build = prometheus.NewDesc("millrace_build_info", "1, labelled with what runs.", []string{"version", "node"}, nil)
	c.state = prometheus.NewDesc("millrace_source_state", "1 for the state that a source is in.", []string{"tenant", "source", "state"}, nil)
	c.states = prometheus.NewDesc("millrace_sources_by_state", "Sources that this node runs, by the state that they are in.", []string{"state"}, nil)
	c.bytes = prometheus.NewDesc("millrace_tenant_history_bytes", "Bytes of a tenant's history, on the node that leads it; the largest only.", []string{"tenant"}, nil)
	c.events = prometheus.NewDesc("millrace_tenant_history_events", "Events of a tenant's history, on the node that leads it; the largest only.", []string{"tenant"}, nil)
	for _, f := range nodeFigures {
		c.node = append(c.node, figure{prometheus.NewDesc("millrace_"+f.name, f.help, nil, nil), kindOf(f.name), f.value})
	}
	for _, f := range sourceFigures {
		desc := prometheus.NewDesc("millrace_source_"+f.name, f.help, []string{"tenant", "source"}, nil)
		c.source = append(c.source, sourceFigure{desc, kindOf(f.name), f.value})
	}
	return c
}

// kindOf goes by the name, as readers do.
func kindOf(name string) prometheus.ValueType {
	if strings.HasSuffix(name, "_total") {
		return counter
	}
	return gauge
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	to <- c.build
	to <- c.state
	to <- c.states
	to <- c.bytes
	to <- c.events
	for _, f := range c.node {
		to <- f.desc
	}
	for _, f := range c.source {
		to <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := c.server
	to <- prometheus.MustNewConstMetric(c.build, gauge, 1, s.config.Version, s.config.Node)
	sources := s.workers.all()
	now := s.figures()
	now.sources = len(sources)
	for _, f := range c.node {
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(now))
	}
	for _, h := range now.storage.Largest {
		to <- prometheus.MustNewConstMetric(c.bytes, gauge, float64(h.Bytes), h.Tenant)
		to <- prometheus.MustNewConstMetric(c.events, gauge, float64(h.Events), h.Tenant)
	}
	states := map[source.State]int{}
	for i, w := range sources {
		status := w.Status()
		if status.Node != s.config.Node {
			continue // another node tells of it
		}
		if states[status.State]++; i >= maxSourceSeries {
			continue
		}
		to <- prometheus.MustNewConstMetric(c.state, gauge, 1, w.run.tenant, w.run.name, string(status.State))
		for _, f := range c.source {
			to <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(&status), w.run.tenant, w.run.name)
		}
	}
	for _, state := range sourceStates {
		to <- prometheus.MustNewConstMetric(c.states, gauge, float64(states[state]), string(state))
	}
}

// sourceStates are those that a source may be in.
var sourceStates = []source.State{
	source.Connecting, source.Open, source.Waiting, source.Done, source.Stopped, source.Failed,
}

// readyWithin bounds how long a scrape waits to know whether the node is ready.
const readyWithin = 2 * time.Second

// figures are those of this moment.
func (s *Server) figures() *figures {
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	storage, err := s.broker.Storage()
	if err != nil {
		s.log.Debug("storage does not tell its figures", "error", err) // it is off; ready says so
	}
	return &figures{
		web: s.Stats(), broker: s.broker.Stats(), host: s.config.Host.Stats(), storage: storage,
		ready: s.unready(ctx) == nil, draining: s.gate.draining(), apart: s.broker.Apart(), offset: s.broker.ClockOffset(),
	}
}
