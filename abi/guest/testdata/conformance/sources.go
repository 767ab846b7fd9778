package main

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onRequestStart
func onRequestStart() int32 {
	return guest.OnRequestStart(func(e *guest.Emitter) error {
		e.Log().Info("start", "send", e.Send("x"))
		return logResponse(e)
	})
}

//go:wasmexport onChunk
func onChunk() int32 {
	return guest.OnChunk(func(e *guest.Emitter, ev abi.Event) error {
		switch ev.Data {
		case "error":
			return fmt.Errorf("wrapped: %w", abi.Denied)
		case "panic":
			panic("as asked")
		}
		if err := e.SendEvent(guest.Event{Data: ev.Data + " of " + ev.Subject, Name: ev.Name}); err != nil {
			return err
		}
		return logResponse(e)
	})
}

//go:wasmexport onComplete
func onComplete() int32 {
	return guest.OnComplete(func(e *guest.Emitter) error {
		if err := e.Send("complete"); err != nil {
			return err
		}
		return logResponse(e)
	})
}

// onError waits as long as the status says, and stops without one.
//
//go:wasmexport onError
func onError() int32 {
	return guest.OnError(func(e *guest.Emitter) (guest.Retry, error) {
		r, err := e.Response()
		switch {
		case err != nil:
			return guest.Decide, err
		case r.Status == 0:
			return guest.Stop, nil
		}
		return guest.After(time.Duration(r.Status) * time.Millisecond), e.Send(r.Error)
	})
}

// logResponse logs what there is of the HTTP side.
func logResponse(e *guest.Emitter) error {
	r, err := e.Response()
	if err == nil {
		e.Log().Info("response", "status", r.Status, "attempts", r.Attempts, "last", r.LastEventID)
	}
	return err
}
