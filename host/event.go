package host

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/abi"
)

// Outcome is what a callback makes of one event: its outputs, then, of onEvent, the event itself if
// Pass, then the end if Close. Outputs are the caller's.
type Outcome struct {
	Pass    bool // onEvent
	Outputs []abi.Event
	Close   bool  // the stream is to end, or the source to stop
	Result  int32 // of onError: 0 leaves it to the policy, 1 stops the source, more is milliseconds to wait
}

// Bounds of what one event can become; past them send answers LIMIT.
const (
	maxOutputs     = 1000
	maxOutputSends = 4 // the outputs' bytes together, in Config.SendBytes
)

// Event gives e to onEvent. Instances take turns and keep what they remember; there are at most
// Config.IdleInstances, and Event waits for one until ctx ends. The call itself ends by
// Config.EventTimeout, not by ctx: it is short, and stopping it costs an instance.
//
// A result below 0 or above 1 is a *CallbackError, a failure a *TrapError; after the latter the
// instance is thrown away. ErrBusy, ErrReleased, ErrNoCallback and ErrNotLoaded tell that it did not run.
// With an error there is no outcome. Event only reads e.
func (p *Plugin) Event(ctx context.Context, s Session, e *abi.Event) (Outcome, error) {
	return p.once(ctx, &s, abi.OnEvent, e)
}

// Source calls one of a source's callbacks: abi.OnRequestStart, OnChunk, OnEvent, OnComplete or
// OnError. It is as Event otherwise, and takes turns with it on the same instances, so that what one
// callback of a source keeps in memory the next one finds, as long as no two of its calls overlap. The
// plugin's code therefore counts as in use from then on.
// e is nil where there is no event. What onRequestStart sends has nowhere to go, and is refused.
func (p *Plugin) Source(ctx context.Context, s Session, callback string, e *abi.Event) (Outcome, error) {
	if callback == abi.OnStream {
		return Outcome{}, ErrNoCallback
	}
	p.pool.remember()
	return p.once(ctx, &s, callback, e)
}

// once runs a callback that does not last on an instance of the pool.
func (p *Plugin) once(ctx context.Context, s *Session, callback string, e *abi.Event) (Outcome, error) {
	if err := p.offers(callback); err != nil {
		return Outcome{}, err
	}
	i, err := p.lend(ctx, s)
	if err != nil {
		return Outcome{}, err
	}
	clean := false
	defer func() { p.giveBack(i, clean) }()
	p.code.used.Store(p.host.events.Add(1))
	c := i.next(inEvent, p.log, p.shareOf(s))
	c.session, c.event = *s, e
	c.caller, c.birth, c.lasts = ctx, p.host.began, p.host.config.EventTimeout
	c.mute = callback == abi.OnRequestStart
	code, outcome, err := i.run(callback)
	if err != nil {
		return Outcome{}, err
	}
	clean = i.overgrown() == nil
	return outcome.of(callback, code)
}

// lend waits for a turn and returns an instance for it, which giveBack takes back.
func (p *Plugin) lend(ctx context.Context, s *Session) (*instance, error) {
	i, err := p.pool.take(ctx)
	if err != nil {
		return nil, err
	}
	if i != nil && !i.stopped.Load() {
		return i, nil
	}
	if i != nil {
		i.close()
	}
	if i, err = p.start(ctx, s, &p.pool); err != nil {
		p.pool.put(nil)
		return nil, fmt.Errorf("start instance: %w", err)
	}
	return i, nil
}

// giveBack ends an instance's turn. One that is not clean is thrown away.
func (p *Plugin) giveBack(i *instance, clean bool) {
	if !clean || i.module.IsClosed() {
		i.close()
		p.pool.put(nil)
	} else if !p.pool.put(i) {
		i.close()
	}
}

// of is the outcome with what the callback's result means for it.
func (o Outcome) of(callback string, code int32) (Outcome, error) {
	switch {
	case code < 0, callback == abi.OnEvent && code > abi.EventPass:
		return Outcome{}, &CallbackError{callback, code}
	case callback == abi.OnEvent:
		o.Pass = code == abi.EventPass
	case callback == abi.OnError:
		o.Result = code
	}
	return o, nil
}
