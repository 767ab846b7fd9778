package host

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace/abi"
)

// phase is what a guest is doing; it decides what its host functions can do.
type phase int

const (
	starting  phase = iota
	streaming       // onStream
	inEvent         // onEvent, and the callbacks of sources
)

// limit is what the end of a call's lifetime stands for.
func (p phase) limit() Limit { return [...]Limit{LimitStart, LimitGrace, LimitEvent}[p] }

// call is one run of guest code and all that its host functions need. It belongs to the goroutine
// that runs the guest. It is part of its instance and used for one run after the other: nothing
// outside of the package may keep it, nor its guestContext.
type call struct {
	guest    guestContext
	host     *Host
	instance *instance
	inbox    inbox // of handle 0

	phase   phase
	log     *pluginLog
	session Session
	progress
}

// progress is what begins anew with each call.
type progress struct {
	lifetime
	spent  time.Duration // of processor time, on the event or since the last call of the host
	called bool          // the host, since the guest was given fuel

	mute    bool       // what the callback sends goes nowhere
	event   *abi.Event // at hand, until receive took it
	outcome Outcome    // its Close also of a stream
	sent    int        // bytes in outcome

	remotes  *remotes // nil before the first
	request  []byte   // as JSON, once it was asked for
	response document // for handle 0
	value    *entry   // got, until it fitted
}

// entry is one of the key-value store.
type entry struct {
	key   string
	value []byte
}

// guestContext is the context that wazero carries through the guest to its host functions: nothing
// but the call. It has no end, since it is the meter that stops guests.
type guestContext struct{ call *call }

type callKey struct{}

// Deadline implements context.Context.
func (g *guestContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (g *guestContext) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (g *guestContext) Err() error { return nil }

// Value implements context.Context.
func (g *guestContext) Value(key any) any {
	if key == (callKey{}) {
		return g.call
	}
	return nil
}

// callOf is the call that ctx carries, which may lie around the guest's own context.
func callOf(ctx context.Context) *call {
	if g, ok := ctx.(*guestContext); ok {
		return g.call
	}
	return ctx.Value(callKey{}).(*call)
}

// ended tells whether the stream is over for the guest. An event whose time is up is not asked
// about: its guest is stopped.
func (c *call) ended() bool {
	return c.outcome.Close || c.phase != inEvent && c.ends.Err() != nil
}

// emit gives e to the viewer, or keeps it as an output.
func (c *call) emit(e abi.Event) error {
	switch {
	case c.mute:
		return abi.Unavailable
	case c.phase == streaming:
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
	c.outcome.Close = true
	if c.phase == streaming {
		c.session.Emitter.Close()
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

// inboxOf returns what a handle of receive reads from.
func (c *call) inboxOf(handle int32) (*inbox, error) {
	if handle == 0 {
		return &c.inbox, nil
	}
	r, err := c.remotes.find(handle)
	if err != nil {
		return nil, err
	}
	return &r.inbox, nil
}

// print writes to the plugin's log, a line at a time. It returns abi.Limit if lines were dropped.
func (c *call) print(level slog.Level, text string) error {
	return c.log.print(c.session.Log, level, text)
}
