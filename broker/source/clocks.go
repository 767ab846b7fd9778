package source

import (
	"context"
	"io"
	"time"
)

// clocks end a connection's context when it takes too long. The cause tells which clock it was.
type clocks struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	headers *time.Timer
	silence *time.Timer // nil without IdleTimeout
	whole   *time.Timer // nil without Timeout
	idle    time.Duration
}

// startClocks starts the clocks for headers and for the whole connection.
func startClocks(ctx context.Context, r Request) *clocks {
	c := &clocks{idle: r.IdleTimeout}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.headers = time.AfterFunc(r.ConnectTimeout, func() { c.cancel(ErrNoHeaders) })
	if r.Timeout > 0 {
		c.whole = time.AfterFunc(r.Timeout, func() { c.cancel(ErrTooLong) })
	}
	return c
}

// opened stops the clock for headers.
func (c *clocks) opened() { c.headers.Stop() }

// read reads from r while the clock for silence runs. The time between two reads is not the remote's.
func (c *clocks) read(r io.Reader, p []byte) (int, error) {
	if c.idle > 0 {
		if c.silence == nil {
			c.silence = time.AfterFunc(c.idle, func() { c.cancel(ErrSilent) })
		} else {
			c.silence.Reset(c.idle)
		}
		defer c.silence.Stop()
	}
	n, err := r.Read(p)
	if err != nil {
		err = c.cause(err)
	}
	return n, err
}

// cause returns why the context ended, if it has, and err otherwise. What ends after the stream did
// is not the reason for it.
func (c *clocks) cause(err error) error {
	if c.ctx.Err() != nil && err != io.EOF {
		return context.Cause(c.ctx)
	}
	return err
}

// stop ends the context and all clocks.
func (c *clocks) stop() {
	c.cancel(nil)
	for _, timer := range []*time.Timer{c.headers, c.silence, c.whole} {
		if timer != nil {
			timer.Stop()
		}
	}
}
