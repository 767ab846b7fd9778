package web

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/host"
)

// sourceCallbacks are those that a source's plugin can have; it needs one of them.
var sourceCallbacks = []string{abi.OnRequestStart, abi.OnChunk, abi.OnEvent, abi.OnComplete, abi.OnError}

// sourcePlugin runs the callbacks of one source's plugin. A connection keeps the version that it
// began with. Its methods are called by one goroutine at a time.
type sourcePlugin struct {
	server   *Server
	tenant   string
	ref      string // the plugin, as the source names it
	session  host.Session
	log      *slog.Logger
	ending   *sourceEnding
	callback *callback // in force
}

// renew takes the version that the source's plugin stands for now. After an error the one before, if
// there is one, stays in force.
func (p *sourcePlugin) renew(ctx context.Context) error {
	view, err := p.server.broker.View(ctx, p.tenant)
	if err != nil {
		return err
	}
	v, err := findVersion(view, p.ref)
	if err != nil {
		return err
	}
	if p.callback != nil && p.callback.version.Digest == v.Digest {
		return nil
	}
	next, err := prepare(ctx, p.server.broker, p.server.config.Host, v)
	if err != nil {
		return err
	}
	p.close()
	p.callback = next
	log := p.server.logs.of(p.tenant, pluginLog(v.Name))
	p.session.Log = func(level slog.Level, text string) {
		log.line(level, text)
		p.log.Log(context.Background(), level, text)
	}
	p.session.Opener = opener{p.server.tenancies.of(view).outbound, p.session.Log}
	return nil
}

// close lets go of the plugin.
func (p *sourcePlugin) close() {
	if p.callback != nil {
		p.callback.drop()
	}
}

// callbacks are the plugin's, whatever of them its versions export: one that it lacks does nothing,
// and without onChunk and onEvent events are stored as they are.
func (p *sourcePlugin) callbacks() source.Callbacks {
	return source.Callbacks{
		OnRequestStart: p.onRequestStart, OnChunk: p.onChunk, OnEvent: p.onEvent,
		OnComplete: p.onComplete, OnError: p.onError,
	}
}

func (p *sourcePlugin) onRequestStart(ctx context.Context, r abi.Response) error {
	if err := p.renew(ctx); err != nil {
		p.log.Warn("the plugin's new version cannot be prepared, the one before stays", "error", err)
	}
	out, err := p.call(ctx, abi.OnRequestStart, nil, r)
	if out.Close {
		p.ending.now()
	}
	return err
}

// onChunk is the first callback of each event.
func (p *sourcePlugin) onChunk(ctx context.Context, c source.Chunk) ([]abi.Event, error) {
	if p.ending.asked.Load() {
		p.ending.now() // in front of this event
		return nil, context.Cause(ctx)
	}
	out, err := p.call(ctx, abi.OnChunk, &c.Event, c.Response)
	return out.Outputs, err
}

func (p *sourcePlugin) onEvent(ctx context.Context, c source.Chunk) (sends []abi.Event, pass bool, err error) {
	if !p.exports(abi.OnEvent) {
		return nil, !p.exports(abi.OnChunk), nil
	}
	out, err := p.call(ctx, abi.OnEvent, &c.Event, c.Response)
	return out.Outputs, out.Pass, err
}

func (p *sourcePlugin) onComplete(ctx context.Context, r abi.Response) ([]abi.Event, error) {
	out, err := p.call(ctx, abi.OnComplete, nil, r)
	return out.Outputs, err
}

func (p *sourcePlugin) onError(ctx context.Context, r abi.Response) ([]abi.Event, int32, error) {
	out, err := p.call(ctx, abi.OnError, nil, r)
	if err == nil && out.Close {
		return out.Outputs, source.Stop, nil
	}
	return out.Outputs, out.Result, err
}

func (p *sourcePlugin) exports(name string) bool {
	return slices.Contains(p.callback.version.Exports, name)
}

// busyPause is how long a source waits for a free instance before it asks again. The remote waits
// meanwhile, which is better than to lose what it sent.
const busyPause = 100 * time.Millisecond

// call runs one callback; without the plugin's exporting it nothing happens.
func (p *sourcePlugin) call(ctx context.Context, name string, e *abi.Event, r abi.Response) (host.Outcome, error) {
	session := p.session
	session.Response = &r
	for {
		out, err := p.callback.plugin.Source(ctx, session, name, e)
		switch {
		case errors.Is(err, host.ErrNoCallback):
			return out, nil
		case errors.Is(err, host.ErrBusy) && pause(ctx, busyPause):
			continue
		case err != nil:
			if ctx.Err() == nil {
				p.server.logs.of(p.tenant, pluginLog(p.callback.version.Name)).line(levelError, failureText(name+" failed", err))
			}
			return out, err
		}
		if out.Close {
			p.ending.ask()
		}
		return out, nil
	}
}

// pause waits; false if ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
