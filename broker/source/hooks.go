package source

import (
	"context"
	"errors"

	"github.com/millrace/millrace/abi"
)

// requestStart runs OnRequestStart.
func (r *run) requestStart(ctx context.Context) error {
	if r.callbacks.OnRequestStart == nil {
		return nil
	}
	return r.tolerate(abi.OnRequestStart, r.callbacks.OnRequestStart(ctx, r.response))
}

// tolerate logs the error of a callback, and returns it only if the source is to fail of it.
func (r *run) tolerate(callback string, err error) error {
	if err == nil {
		return nil
	}
	r.log.Warn("callback failed", "callback", callback, "error", err)
	if r.config.OnError == ErrorClose {
		return &CallbackError{Callback: callback, Err: err}
	}
	return nil
}

// take returns the outputs of e. The error ends the stream.
func (r *run) take(ctx context.Context, stream *Stream, e abi.Event) ([]Output, error) {
	r.number++
	if !named(r.config.Events, e) {
		return nil, nil
	}
	out, err := r.shape(ctx, stream, e)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	callback := (*CallbackError)(nil)
	if errors.As(err, &callback) {
		if err := r.tolerate(callback.Callback, callback.Err); err != nil {
			return nil, err
		}
		if r.config.OnError == ErrorPass {
			out, err = outputs(r.config.Subject, []abi.Event{e})
		}
	}
	if err != nil { // one bad event does not end the stream
		if !errors.Is(err, callback) { // which is logged already
			r.log.Warn("event dropped", "error", err)
		}
		r.board.change(func(s *Status) { s.Dropped++ })
		return nil, nil
	}
	for i := range out {
		if r.config.Dedupe {
			out[i].Key = contentKey(e, i)
		}
		if sendable(e.ID) {
			out[i].ID = e.ID
		}
	}
	return out, nil
}

// shape gives e to its callbacks. An error of theirs, or of what they send, is a *CallbackError.
func (r *run) shape(ctx context.Context, stream *Stream, e abi.Event) ([]Output, error) {
	onChunk, onEvent := r.callbacks.OnChunk, r.callbacks.OnEvent
	if onChunk == nil && onEvent == nil {
		return outputs(r.config.Subject, []abi.Event{e})
	}
	chunk := Chunk{Event: e, Request: r.request, Response: r.response}
	chunk.Response.LastEventID = stream.LastEventID()
	chunk.Response.Events, chunk.Response.Bytes = r.number, stream.Bytes()
	var sends []abi.Event
	last := abi.OnChunk
	if onChunk != nil {
		sent, err := onChunk(ctx, chunk)
		if err != nil {
			return nil, &CallbackError{abi.OnChunk, err}
		}
		sends = append(sends, sent...)
	}
	if onEvent != nil {
		last = abi.OnEvent
		sent, pass, err := onEvent(ctx, chunk)
		if err != nil {
			return nil, &CallbackError{abi.OnEvent, err}
		}
		sends = append(sends, sent...)
		if pass {
			sends = append(sends, e)
		}
	}
	out, err := outputs(r.config.Subject, sends)
	if err != nil {
		return nil, &CallbackError{last, err}
	}
	return out, nil
}

// complete runs OnComplete, and says what becomes of the source. That the stream has ended is stored
// before, and that OnComplete was run with what it sent: whoever finds the one without the other runs
// it again.
func (r *run) complete(ctx context.Context, onDone string) verdict {
	last, cancel := lastly(ctx)
	defer cancel()
	out, err := r.lastWord(last)
	if err == nil {
		err = r.append(last, out, Cursor{Ended: true, Complete: true})
	}
	if store := (*storeError)(nil); errors.As(err, &store) {
		return r.storeFailed(ctx, err)
	}
	if err != nil {
		r.note(err)
		return verdict{state: Failed, err: err}
	}
	if onDone == DoneRestart {
		r.backoff.progress()
		return verdict{state: Waiting, wait: r.backoff.again()}
	}
	return verdict{state: Done}
}

// lastWord returns what OnComplete sends.
func (r *run) lastWord(ctx context.Context) ([]Output, error) {
	if r.callbacks.OnComplete == nil {
		return nil, nil
	}
	if err := r.append(ctx, nil, Cursor{Ended: true}); err != nil {
		return nil, err
	}
	sends, err := r.callbacks.OnComplete(ctx, r.response)
	return r.lastOutputs(abi.OnComplete, sends, err)
}

// fail runs OnError for a connection that ended with cause, and returns its answer. When it fails
// itself, the retry policy decides.
func (r *run) fail(ctx context.Context, cause error) int32 {
	r.response.Error = cause.Error()
	if r.callbacks.OnError == nil {
		return Decide
	}
	ctx, cancel := lastly(ctx)
	defer cancel()
	sends, answer, failed := r.callbacks.OnError(ctx, r.response)
	if out, err := r.lastOutputs(abi.OnError, sends, failed); err == nil { // or it was logged
		if err := r.append(ctx, out, r.cursor); err != nil {
			r.log.Warn("source could not tell of its error", "error", err)
		}
	}
	if failed != nil {
		return Decide
	}
	return answer
}

// lastOutputs are those of the last callback of a connection, none if it failed.
func (r *run) lastOutputs(callback string, sends []abi.Event, err error) ([]Output, error) {
	if err != nil {
		return nil, r.tolerate(callback, err)
	}
	out, err := outputs(r.config.Subject, sends)
	if err != nil {
		return nil, r.tolerate(callback, err)
	}
	return out, nil
}

// lastly returns a context for the last callback of a connection, which is called of a stopped
// source too.
func lastly(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Err() == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), lastCallTime)
}
