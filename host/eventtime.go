package host

import (
	"context"
	"sync"
	"time"
)

// eventTime is the context of one onEvent call: that of the caller, but it ends at a time of its own
// and carries the call. It makes a timer only once somebody waits for its end, which few callbacks
// do; one for each event would cost more than most of them.
type eventTime struct {
	caller context.Context // without its end
	until  time.Time
	call   *call

	mu      sync.Mutex
	waiting context.Context // once Done was called
	stop    context.CancelFunc
}

// Deadline implements context.Context.
func (e *eventTime) Deadline() (time.Time, bool) { return e.until, true }

// Done implements context.Context.
func (e *eventTime) Done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waiting == nil {
		e.waiting, e.stop = context.WithDeadline(e.caller, e.until)
	}
	return e.waiting.Done()
}

// Err implements context.Context.
func (e *eventTime) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.waiting != nil:
		return e.waiting.Err()
	case time.Now().After(e.until):
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context.
func (e *eventTime) Value(key any) any {
	if key == (callKey{}) {
		return e.call
	}
	return e.caller.Value(key)
}

// end ends what waits.
func (e *eventTime) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stop != nil {
		e.stop()
	}
}
