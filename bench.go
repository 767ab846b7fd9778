package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/millrace/millrace/bench"
)

type benchCommand struct {
	serverFlags
	Mode        string        `arg:"" optional:"" default:"rate" enum:"rate,saturate,idle,replay,publish" help:"rate, saturate, idle, replay or publish (${default})."`
	Tenant      string        `placeholder:"NAME" help:"The tenant to use; without one a tenant is made for the run, and deleted."`
	Subject     string        `default:"bench" placeholder:"SUBJECT" help:"Where events are published (${default})."`
	Path        string        `placeholder:"PATH" help:"Path and query of the route that viewers open; the plain subject without one."`
	Viewers     int           `default:"1000" placeholder:"N" help:"Streams to open (${default})."`
	Publishers  int           `default:"1" placeholder:"N" help:"Connections that publish (${default})."`
	Rate        float64       `default:"100" placeholder:"N" help:"Events a second, in mode rate (${default})."`
	InFlight    int           `default:"64" placeholder:"N" help:"Events ahead of the average viewer at most, in mode saturate (${default})."`
	Events      int           `default:"1000" placeholder:"N" help:"Events that each viewer has missed, in mode replay (${default})."`
	Cut         float64       `placeholder:"PERCENT" help:"Of the viewers, to cut each second; they come back with their last id."`
	Slow        float64       `placeholder:"PERCENT" help:"Of the viewers, that read about 20 KiB a second."`
	Bytes       int           `default:"200" placeholder:"N" help:"Size of an event's data (${default})."`
	Duration    time.Duration `default:"10s" placeholder:"DURATION" help:"How long to publish, or to idle (${default})."`
	Settle      time.Duration `default:"2s" placeholder:"DURATION" help:"How long the server may rest before its memory is read (${default})."`
	PID         []int         `name:"pid" placeholder:"N" help:"The server's processes, to measure them; without it /metrics tells."`
	JSON        bool          `name:"json" help:"Print the report as JSON."`
	YesIOwnThis bool          `name:"yes-i-own-this" help:"Load a server that is not on this machine."`

	Stream        string   `group:"Other servers" placeholder:"URL" help:"What viewers open, of any server; {lastid} stands for the id to resume after."`
	StreamHeader  []string `group:"Other servers" sep:"none" placeholder:"LINE" help:"A header line of viewers, such as 'Authorization: Bearer x'."`
	PublishTo     string   `group:"Other servers" placeholder:"URL" help:"Where that server takes an event."`
	PublishHeader []string `group:"Other servers" sep:"none" placeholder:"LINE" help:"A header line of publishers."`
	PublishBody   string   `group:"Other servers" default:"{payload}" placeholder:"TEXT" help:"What is published; {payload} stands for what is counted (${default})."`
	LastID        string   `group:"Other servers" placeholder:"ID" help:"In mode replay, the id before the missed events; a viewer is asked without one."`
}

// Validate refuses servers that somebody else may own.
func (c *benchCommand) Validate() error {
	if (c.Stream == "") != (c.PublishTo == "") {
		return errors.New("--stream and --publish-to name another server together")
	}
	if c.Path != "" && c.Tenant == "" {
		return errors.New("--path is a route of a --tenant, which is missing")
	}
	for _, server := range []string{c.Server, c.Stream, c.PublishTo} {
		u, err := url.Parse(server)
		if err != nil {
			return fmt.Errorf("%q is no URL", server)
		}
		if server != "" && !isLoopback(u.Hostname()) && !c.YesIOwnThis {
			return fmt.Errorf("%s is not on this machine, and a load test of somebody else's server is an attack: add --yes-i-own-this if it is yours", server)
		}
	}
	return nil
}

// Run makes the server ready, loads it and prints what was seen.
func (c *benchCommand) Run(ctx context.Context, con *console) (err error) {
	config := bench.Config{
		Mode: bench.Mode(c.Mode), AnyHost: c.YesIOwnThis, Viewers: c.Viewers, Publishers: c.Publishers,
		Rate: c.Rate, InFlight: c.InFlight, Events: c.Events, LastID: c.LastID, PayloadBytes: c.Bytes,
		CutShare: c.Cut / 100, SlowShare: c.Slow / 100,
		Duration: c.Duration, Settle: c.Settle, GeneratorCPU: cpuTime,
	}
	if c.Stream != "" {
		config.Stream = bench.Request{URL: c.Stream, Header: c.StreamHeader}
		config.Publish = bench.Request{URL: c.PublishTo, Header: c.PublishHeader, Body: c.PublishBody}
	} else {
		done, err := c.aim(ctx, &config)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, done()) }()
	}
	if len(c.PID) > 0 {
		config.Usage = bench.Processes(c.PID...)
	}
	status := statusLine{con.err}
	config.Progress = status.show
	debug.SetGCPercent(400) // the generator's collections would show in the figures
	report, err := bench.Run(ctx, config)
	status.clear()
	if report.Mode == "" { // it did not come to a run
		return err
	}
	return errors.Join(err, c.print(con, report))
}

func (c *benchCommand) print(con *console, report bench.Report) error {
	if !c.JSON {
		return report.Print(con.out, widthOf(con.out))
	}
	b, err := json.Marshal(report)
	if err != nil {
		return err
	}
	con.printf("%s\n", b)
	return nil
}
