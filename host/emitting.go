package host

import (
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/abi"
)

// send implements send(data, event, id) -> status.
func send(c *call, a args) int64 {
	e, err := newEvent(a.bytes(0), a.bytes(2), a.bytes(4), c.host.config.SendBytes)
	if c.ended() {
		return status(abi.Closed)
	}
	if err != nil {
		return status(err)
	}
	return status(c.emit(e))
}

// newEvent copies and checks what a guest wants to send. It looks at the lengths first, so that
// nothing large is copied in vain.
func newEvent(data, name, id []byte, maxData int) (abi.Event, error) {
	if len(data) > maxData || len(name) > abi.MaxNameBytes || len(id) > abi.MaxNameBytes {
		return abi.Event{}, abi.TooBig
	}
	e := abi.Event{Data: string(data), Name: string(name), ID: string(id)}
	return e, e.Check(maxData)
}

// comment implements comment(text) -> status.
func comment(c *call, a args) int64 {
	text := a.bytes(0)
	switch {
	case c.phase != streaming:
		return status(abi.Unavailable)
	case c.ended():
		return status(abi.Closed)
	case len(text) > c.host.config.SendBytes:
		return status(abi.TooBig)
	case !utf8.Valid(text):
		return status(abi.Invalid)
	}
	c.park()
	return status(c.session.Emitter.Comment(string(text)))
}

// closeStream implements close() -> status. Once the stream is over there is nothing to close.
func closeStream(c *call, _ args) int64 {
	if c.ended() {
		return status(abi.Closed)
	}
	c.end()
	return status(nil)
}

// isClosed implements isClosed() -> 0 or 1.
func isClosed(c *call, _ args) int64 {
	if c.ended() {
		return 1
	}
	return 0
}

// sleep implements sleep(ms) -> status. Below 0 counts as 0. An event callback must not block.
func sleep(c *call, a args) int64 {
	switch {
	case c.phase != streaming:
		return status(abi.Unavailable)
	case c.ended():
		return status(abi.Closed)
	}
	return status(c.wait(milliseconds(max(a.i64(0), 0))))
}

// receive implements receive(handle, buffer, timeout) -> n or status. A timeout of 0 polls, below 0
// waits as long as the stream lives. Handle 0 is the callback's own input, which for callbacks other
// than onStream is the event at hand, once, then CLOSED; others come from open.
func receive(c *call, a args) int64 {
	a.buffer(1)
	in, err := c.inboxOf(a.i32(0))
	if err == nil {
		err = c.receive(in, milliseconds(a.i64(3)))
	}
	if err != nil {
		return status(err)
	}
	n, taken := a.fill(1, in.record)
	if taken {
		in.taken()
	}
	return n
}

// milliseconds is ms as a duration, within what that can hold.
func milliseconds(ms int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(max(min(ms, most), -most)) * time.Millisecond
}
