package host

import (
	"context"
	"time"
)

// lifetime is how long a call may take. A stream's two contexts are there from the beginning. An
// event's are made, and its clock is started, when somebody first asks for them: most events are
// over before, and a timer for each would cost more than they do. Until then an event has had one
// grant of fuel at most and a few calls of the host that do not wait. Only the goroutine of the call
// uses it.
type lifetime struct {
	ends context.Context // with the stream, or when the event's or the start's time is up
	hard context.Context // ends when the guest is stopped for good

	// Of an event.
	caller context.Context // whose values count, not its end
	birth  time.Time       // of the host
	lasts  time.Duration
	until  time.Duration // from birth; 0 before the clock is started
	cancel context.CancelFunc
}

// ending is a context that ends with the stream.
func (l *lifetime) ending() context.Context {
	l.make()
	return l.ends
}

// stopping is a context that ends when the guest is stopped.
func (l *lifetime) stopping() context.Context {
	l.make()
	return l.hard
}

func (l *lifetime) make() {
	if l.hard == nil {
		l.start()
		l.hard, l.cancel = context.WithDeadline(context.WithoutCancel(l.caller), l.birth.Add(l.until))
		l.ends = l.hard
	}
}

// start starts the clock, and returns what it says.
func (l *lifetime) start() (now time.Duration) {
	now = time.Since(l.birth)
	if l.until == 0 {
		l.until = now + l.lasts
	}
	return now
}

// over tells whether the guest is to be stopped.
func (l *lifetime) over() bool {
	if l.hard != nil {
		return l.hard.Err() != nil
	}
	return l.start() > l.until
}

// end ends what waits.
func (l *lifetime) end() {
	if l.cancel != nil {
		l.cancel()
	}
}
