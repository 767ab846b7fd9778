package bench

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Config says what a run does and to whom. A zero field takes its default.
type Config struct {
	Mode    Mode    // default Rate
	Stream  Request // of each viewer; {lastid} in it is the id to resume after
	Publish Request // of each event; {payload} in its body is what is counted
	AnyHost bool    // also servers that are not on this machine

	Viewers      int           // default 1,000; none in mode Publish
	Publishers   int           // connections that publish, one event at a time each; default 1
	Rate         float64       // of all publishers, in events a second; default 100
	InFlight     int           // in mode Saturate, events ahead of the average viewer; default 64
	Events       int           // in mode Replay, events that were missed; default 1,000
	LastID       string        // in mode Replay, the id before them; by default a viewer is asked
	PayloadBytes int           // of an event, 64 or more; default 200
	Duration     time.Duration // of publishing or idling; default 10 s
	Drain        time.Duration // to wait for the last deliveries at most, as long as some come; default 1 m
	Settle       time.Duration // before memory is read; default 2 s

	// While events are published, some viewers are not as they should be: in each second CutShare of
	// them, 0 to 1, is cut, and SlowShare of them reads about 20 KiB a second. In a run with either,
	// viewers that are cut, by the server too, come back with their last id.
	CutShare, SlowShare float64

	// Usage measures the server, by Processes or Metrics for example. GeneratorCPU is the processor
	// time that this process has used. A run without one of them does not report on it.
	Usage        Meter
	GeneratorCPU func() time.Duration

	// Progress is called about ten times a second, from one goroutine, until Run returns. total is 0
	// where it is not known.
	Progress func(stage string, done, total int64)
}

// Request is an HTTP/1.1 request as a template.
type Request struct {
	URL    string   // http or https
	Method string   // default GET for a stream, POST to publish
	Header []string // lines such as "Authorization: Bearer x"
	Body   string
}

// ErrNotHere is returned for a server beyond loopback, unless Config.AnyHost is set: a load test of
// somebody else's server is an attack.
var ErrNotHere = errors.New("the server is not on this machine")

const (
	maxViewers    = 1_000_000
	maxPublishers = 1_000
	maxPayload    = 1 << 20
)

func (c Config) withDefaults() (_ Config, err error) {
	wrong := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	c.Mode = cmp.Or(c.Mode, Rate)
	c.Viewers = cmp.Or(c.Viewers, 1000)
	c.Publishers = cmp.Or(c.Publishers, 1)
	c.Rate = cmp.Or(c.Rate, 100)
	c.InFlight = cmp.Or(c.InFlight, 64)
	c.Events = cmp.Or(c.Events, 1000)
	c.PayloadBytes = cmp.Or(c.PayloadBytes, 200)
	c.Duration = cmp.Or(c.Duration, 10*time.Second)
	c.Drain = cmp.Or(c.Drain, time.Minute)
	c.Settle = cmp.Or(c.Settle, 2*time.Second)
	c.Stream.Method = cmp.Or(c.Stream.Method, "GET")
	c.Publish.Method = cmp.Or(c.Publish.Method, "POST")
	if c.Usage == nil {
		c.Usage = unmeasured
	}
	if c.Progress == nil {
		c.Progress = func(string, int64, int64) {}
	}
	if !slices.Contains([]Mode{Rate, Saturate, Idle, Replay, Publish}, c.Mode) {
		wrong("mode %q is none of rate, saturate, idle, replay and publish", c.Mode)
	}
	if c.Viewers < 1 || c.Viewers > maxViewers {
		wrong("%d viewers are not 1 to %d", c.Viewers, maxViewers)
	}
	if c.Publishers < 1 || c.Publishers > maxPublishers {
		wrong("%d publishers are not 1 to %d", c.Publishers, maxPublishers)
	}
	if c.Rate <= 0 || math.IsNaN(c.Rate) || math.IsInf(c.Rate, 0) {
		wrong("a rate of %v events a second is not more than 0", c.Rate)
	}
	if c.InFlight < 1 || c.Events < 1 {
		wrong("%d events in flight or %d events missed are less than 1", c.InFlight, c.Events)
	}
	if c.PayloadBytes < minPayload || c.PayloadBytes > maxPayload {
		wrong("a payload of %d bytes is not %d to %d", c.PayloadBytes, minPayload, maxPayload)
	}
	for _, share := range []float64{c.CutShare, c.SlowShare} {
		if !(share >= 0 && share <= 1) || share > 0 && c.Mode != Rate && c.Mode != Saturate {
			wrong("a share of %v viewers to cut or slow down is not 0 to 1, or the mode is neither rate nor saturate", share)
		}
	}
	if c.Duration < 0 || c.Drain < 0 || c.Settle < 0 {
		wrong("a duration is negative")
	}
	if !strings.Contains(c.Publish.Body, "{payload}") && c.Mode != Idle {
		wrong("the body to publish has no {payload}")
	}
	if c.Mode == Publish {
		c.Viewers = 0
	}
	return c, err
}

// disturbed tells whether viewers are cut or slow.
func (c Config) disturbed() bool { return c.CutShare > 0 || c.SlowShare > 0 }
