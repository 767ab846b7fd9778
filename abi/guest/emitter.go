package guest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/internal/imports"
)

// Forever lets Receive wait until there is an event or the stream ends.
const Forever time.Duration = -1

// Emitter is a callback's hold of the stream or source that it serves, and of what Millrace lends
// it. It is valid until the callback returns, for one goroutine. Errors are abi statuses, for
// errors.Is; every method may answer abi.Unavailable where Millrace cannot do it, and abi.Limit where
// a quota is used up.
type Emitter struct {
	buf []byte // for what is read, grown as needed
}

// An instance runs one callback at a time, so all of them have one Emitter and its buffer. To make
// them anew for each event costs more than many a callback does.
var current Emitter

// Send sends data as an event without name or id. See Event for how data becomes text.
func (e *Emitter) Send(data any) error {
	return e.SendEvent(Event{Data: data})
}

// SendEvent sends one event to the viewer. It waits while the viewer has a full queue before it,
// and answers abi.Closed once the viewer has left, abi.TooBig or abi.Invalid for an event that
// cannot be sent.
func (e *Emitter) SendEvent(ev Event) error {
	data, err := text(ev.Data)
	if err != nil {
		return err
	}
	return check(imports.Send(data, ev.Name, ev.ID))
}

// Comment sends a line that clients do not see, for one a sign that the stream lives.
func (e *Emitter) Comment(text string) error {
	return check(imports.Comment(text))
}

// Close ends the stream after what was sent, or stops the source. From then on sends and waits answer
// abi.Closed.
func (e *Emitter) Close() error {
	return check(imports.Close())
}

// IsClosed tells whether the stream has ended: the viewer left, Close was called, its time is over
// or the node shuts down. A loop that neither sends nor waits has to ask.
func (e *Emitter) IsClosed() bool {
	return imports.IsClosed() != 0
}

// Sleep waits for d, in whole milliseconds, rounded up. It answers abi.Closed as soon as the stream
// ends.
func (e *Emitter) Sleep(d time.Duration) error {
	return check(imports.Sleep(max(0, millis(d))))
}

// Receive waits for the next event of the route's subjects, at most for timeout in whole
// milliseconds, rounded up: 0 does not wait, a negative one waits without end. It answers
// abi.Timeout, and abi.Closed once the stream has ended.
func (e *Emitter) Receive(timeout time.Duration) (abi.Event, error) {
	return e.receive(imports.Input, timeout)
}

// receive waits for the next event of a handle.
func (e *Emitter) receive(handle int32, timeout time.Duration) (abi.Event, error) {
	ms := millis(timeout)
	record, err := e.read(func(buf []byte) int32 { return imports.Receive(handle, buf, ms) })
	if err != nil {
		return abi.Event{}, err
	}
	return abi.ParseRecord(record)
}

// Request is the request of the viewer whose stream this is. An event callback of scope shared has
// none: only tenant and route are set.
func (e *Emitter) Request() (abi.Request, error) {
	var r abi.Request
	err := e.readJSON(&r, imports.Request)
	return r, err
}

// Body is the body of the viewer's request.
func (e *Emitter) Body() ([]byte, error) {
	body, err := e.read(imports.Body)
	return append([]byte(nil), body...), err
}

// Publish publishes to a subject of the tenant and returns once the event is stored.
func (e *Emitter) Publish(subject string, ev Event) error {
	data, err := text(ev.Data)
	if err != nil {
		return err
	}
	return check(imports.Publish(subject, data, ev.Name, ev.ID))
}

// KV is the tenant's key-value store, which all its plugins share.
func (e *Emitter) KV() KV {
	return KV{e}
}

// Log writes to the plugin's log, a line for each record: the message, then attributes as
// key=value.
func (e *Emitter) Log() *slog.Logger {
	return slog.New(logHandler{})
}

// Now is the time in milliseconds by the host's clock. time.Now reads the same one.
func (e *Emitter) Now() time.Time {
	return time.UnixMilli(imports.Now())
}

// Random fills b with cryptographic random bytes, as crypto/rand does.
func (e *Emitter) Random(b []byte) error {
	return check(imports.Random(b))
}

// read calls a function that fills a buffer, a second time with a larger one if the value did not
// fit. The bytes are good until the next read.
func (e *Emitter) read(f func(buf []byte) int32) ([]byte, error) {
	if e.buf == nil {
		e.buf = make([]byte, 1<<10)
	}
	n := f(e.buf)
	for int(n) > len(e.buf) {
		e.buf = make([]byte, n)
		n = f(e.buf)
	}
	if n < 0 {
		return nil, abi.Status(n)
	}
	return e.buf[:n], nil
}

// readJSON is read for a document, which goes into v.
func (e *Emitter) readJSON(v any, f func(buf []byte) int32) error {
	doc, err := e.read(f)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(doc, v); err != nil {
		return fmt.Errorf("read document of the host: %w", err)
	}
	return nil
}

// millis is d in milliseconds, rounded up, so that a short wait never becomes none; -1 if negative.
func millis(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	ms := d.Milliseconds()
	if d%time.Millisecond != 0 {
		ms++
	}
	return ms
}
