package host

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/millrace/millrace/abi"
)

// phase is what a guest is doing; it decides what its host functions can do.
type phase int

const (
	starting phase = iota
	streaming
	inEvent
)

// call is one run of guest code and all that its host functions need. It belongs to the goroutine
// that runs the guest.
type call struct {
	host     *Host
	instance *instance
	phase    phase
	ends     context.Context // ends with the stream, or when the event's or the start's time is up
	hard     context.Context // ends when the guest is stopped for good
	limit    Limit           // which hard stands for
	log      *pluginLog
	session  Session
	share    *Share        // nil: unlimited
	spent    time.Duration // of processor time, on the event or since the last call of the host
	called   bool          // the host, since the guest was given fuel

	closed  bool       // the guest called close
	time    eventTime  // of onEvent
	event   *abi.Event // of onEvent, until receive took it
	outcome Outcome
	sent    int // bytes in outcome

	request []byte // as JSON, once it was asked for
	value   *entry // got, until it fitted
}

// entry is one of the key-value store.
type entry struct {
	key   string
	value []byte
}

type callKey struct{}

// withCall returns a context that carries c, as eventTime does by itself.
func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// ended tells whether the stream is over for the guest. An event whose time is up is not asked
// about: its guest is stopped.
func (c *call) ended() bool {
	return c.closed || c.phase != inEvent && c.ends.Err() != nil
}

// emit gives e to the viewer, or keeps it as an output.
func (c *call) emit(e abi.Event) error {
	if c.phase == streaming {
		c.park()
		return c.session.Emitter.Send(e)
	}
	sent := c.sent + len(e.Data) + len(e.Name) + len(e.ID)
	if len(c.outcome.Outputs) >= maxOutputs || sent > maxOutputSends*c.host.config.SendBytes {
		return abi.Limit
	}
	c.sent = sent
	c.outcome.Outputs = append(c.outcome.Outputs, e)
	return nil
}

// end is the guest's own close.
func (c *call) end() {
	c.closed = true
	if c.phase == streaming {
		c.session.Emitter.Close()
	} else {
		c.outcome.Close = true
	}
}

// wait waits for d, or until the stream is over.
func (c *call) wait(d time.Duration) error {
	c.park()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.ends.Done():
		return abi.Closed
	}
}

// receive returns the record of the next event and keeps it until it is taken. A timeout below 0
// is none.
func (c *call) receive(timeout time.Duration) ([]byte, error) {
	if c.ended() {
		return nil, abi.Closed
	}
	i := c.instance
	if len(i.record) > 0 {
		return i.record, nil
	}
	e, err := c.next(timeout)
	if err != nil {
		return nil, err
	}
	i.record = abi.AppendRecord(slices.Grow(i.record[:0], abi.RecordSize(e)), e)
	return i.record, nil
}

func (c *call) next(timeout time.Duration) (*abi.Event, error) {
	if c.phase == inEvent {
		e := c.event
		if c.event = nil; e == nil {
			return nil, abi.Closed
		}
		return e, nil
	}
	c.park()
	ctx := c.ends
	if timeout >= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	e, err := c.session.Emitter.Receive(ctx)
	switch {
	case err == nil:
		return e, nil
	case c.ended():
		return nil, abi.Closed
	case errors.Is(err, context.DeadlineExceeded):
		return nil, abi.Timeout
	}
	return nil, err
}

// print writes to the plugin's log, a line at a time. It returns abi.Limit if lines were dropped.
func (c *call) print(level slog.Level, text string) error {
	return c.log.print(c.session.Log, level, text)
}
