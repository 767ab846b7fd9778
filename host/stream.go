package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/abi"
)

// Stream runs onStream on an instance of its own and returns when that has ended. The stream is
// over when ctx ends, for whatever reason: from then on isClosed is 1, the guest's waits return
// CLOSED at once, and Config.Grace later it is stopped whatever it does.
//
// The error is nil when the callback returned 0 or more, exited with 0, or failed after its stream
// was over; a *CallbackError or *TrapError when it failed; ErrBusy, ErrReleased, ErrNoCallback or
// ErrNotLoaded when it did not run.
func (p *Plugin) Stream(ctx context.Context, s Session) error {
	if err := p.offers(abi.OnStream); err != nil {
		return err
	}
	if s.Emitter == nil {
		return errors.New("session has no emitter")
	}
	if ctx.Err() != nil {
		return nil
	}
	hard, stop := withGrace(ctx, p.host.config.Grace)
	defer stop()
	i, err := p.start(ctx, &s, nil)
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()): // while the code was loaded
		return nil
	case err != nil:
		return fmt.Errorf("start instance: %w", err)
	}
	defer i.close()
	p.host.streams.Add(1)
	if s.Started != nil {
		s.Started()
	}
	ends, end := i.wakeable(ctx)
	defer end()
	c := i.next(streaming, p.log, p.shareOf(&s))
	c.session, c.ends, c.hard = s, ends, hard
	c.inbox.from = s.Emitter
	code, outcome, err := i.run(abi.OnStream)
	if err == nil && code < 0 && !outcome.Close && ctx.Err() == nil {
		return &CallbackError{abi.OnStream, code}
	}
	return err
}

// withGrace returns a context that ends grace after ctx. Call stop when it is not needed any more.
func withGrace(ctx context.Context, grace time.Duration) (hard context.Context, stop func()) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Add(1)
	unhook := context.AfterFunc(ctx, func() {
		defer running.Done()
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-hard.Done():
		}
	})
	return hard, func() {
		cancel()
		if !unhook() {
			running.Wait()
		}
	}
}
