package host

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/abi"
)

// Outcome is what onEvent makes of one event: its outputs, then the event itself if Pass, then the
// end of the stream if Close.
type Outcome struct {
	Pass    bool
	Outputs []abi.Event
	Close   bool
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
// instance is thrown away. ErrBusy, ErrReleased and ErrNoCallback tell that it did not run. With an
// error there is no outcome. Event only reads e.
func (p *Plugin) Event(ctx context.Context, s Session, e *abi.Event) (Outcome, error) {
	if err := p.offers(abi.OnEvent); err != nil {
		return Outcome{}, err
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return Outcome{}, ctx.Err()
	}
	i := p.takeIdle()
	if i == nil {
		var err error
		if i, err = p.start(ctx, abi.OnEvent, s); err != nil {
			return Outcome{}, fmt.Errorf("start instance: %w", err)
		}
	}
	return p.event(ctx, i, s, e)
}

// event runs onEvent on i, which it closes or puts back.
func (p *Plugin) event(ctx context.Context, i *instance, s Session, e *abi.Event) (Outcome, error) {
	p.host.events.Add(1)
	c := &call{host: p.host, phase: inEvent, limit: LimitEvent, log: p.log, session: s, share: p.shareOf(s), event: e}
	c.time = eventTime{caller: context.WithoutCancel(ctx), until: time.Now().Add(p.host.config.EventTimeout), call: c}
	defer c.time.end()
	c.ends = &c.time
	code, err := i.run(&c.time, c, abi.OnEvent)
	if err == nil && !i.module.IsClosed() {
		p.putIdle(i)
	} else {
		i.close()
	}
	switch {
	case err != nil:
		return Outcome{}, err
	case code != abi.EventDrop && code != abi.EventPass:
		return Outcome{}, &CallbackError{abi.OnEvent, code}
	}
	c.outcome.Pass = code == abi.EventPass
	return c.outcome, nil
}
