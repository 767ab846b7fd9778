package web

import (
	"context"
	"errors"
	"log/slog"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/web/wire"
)

// transform makes the frames of an event: its own, or those of what an event callback answers.
type transform struct {
	callback *callback // nil: the event itself
	session  host.Session
	onError  string
}

// frames appends e's frames to dst. It makes none if the callback drops the event. errEnded says that
// the stream ends behind them. It is safe for concurrent use.
func (t *transform) frames(ctx context.Context, dst []wire.Frame, epoch string, e *abi.Event) ([]wire.Frame, error) {
	if t.callback == nil {
		return append(dst, eventFrame(epoch, e.Seq, 0, *e)), nil
	}
	out, err := t.callback.plugin.Event(ctx, t.session, e)
	if ctx.Err() != nil {
		return dst, context.Cause(ctx)
	}
	if err != nil {
		return t.onFailure(dst, epoch, e, err)
	}
	outputs := out.Outputs
	if out.Pass {
		outputs = append(outputs, *e)
	}
	for i := range outputs {
		more := i + 1
		if more == len(outputs) {
			more = 0
		}
		dst = append(dst, eventFrame(epoch, e.Seq, more, outputs[i]))
	}
	if out.Close {
		return dst, errEnded
	}
	return dst, nil
}

// onFailure does what the route's onError says about an event whose callback failed.
func (t *transform) onFailure(dst []wire.Frame, epoch string, e *abi.Event, err error) ([]wire.Frame, error) {
	if errors.Is(err, host.ErrNotLoaded) {
		return dst, err // the host's fault: viewers come back for the event
	}
	t.session.Log(slog.LevelError, failureText("onEvent failed on "+e.ID, err))
	switch t.onError {
	case "drop":
		return dst, nil
	case "pass":
		return append(dst, eventFrame(epoch, e.Seq, 0, *e)), nil
	}
	// The id lies behind the event, so that a viewer who comes back does not meet it again.
	return append(dst, eventFrame(epoch, e.Seq, 0, errorEvent(err))), errEnded
}

// eventFrame encodes e with the id of its position; the id that a callback gave is not used, since
// a viewer must be able to resume from it.
func eventFrame(epoch string, seq uint64, more int, e abi.Event) wire.Frame {
	at := wire.Cursor{Seq: seq, Output: more}
	e.ID = cursorPosition(epoch, at).String()
	return wire.Frame{At: at, Bytes: sse.AppendEvent(make([]byte, 0, sse.Size(&e)), &e)}
}

// callbackFailed tells whether err is a callback's failure, which its viewers are told of.
func callbackFailed(err error) bool {
	var trap *host.TrapError
	var code *host.CallbackError
	return errors.As(err, &trap) || errors.As(err, &code) || errors.Is(err, host.ErrBusy)
}

// errorEvent is the reserved event error, which tells viewers that a callback failed but nothing of
// its insides.
func errorEvent(err error) abi.Event {
	text := "the callback failed"
	var trap *host.TrapError
	var code *host.CallbackError
	switch {
	case errors.As(err, &trap):
		text = "the callback was stopped: " + trap.Reason
	case errors.As(err, &code):
		text = code.Error()
	case errors.Is(err, host.ErrBusy):
		text = "all plugin instances of this node are in use"
	}
	return abi.Event{Name: "error", Data: jsonText(map[string]string{"error": text})}
}
