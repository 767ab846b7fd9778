package main

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onEvent
func onEvent() int32 {
	return guest.OnEvent(func(e *guest.Emitter, ev abi.Event) (guest.Verdict, error) {
		switch ev.Data {
		case "pass":
			return guest.Pass, nil
		case "drop":
			return guest.Drop, nil
		case "replace":
			return guest.Drop, errors.Join(e.Send("one"), e.SendEvent(guest.Event{Data: "two", Name: "n", ID: "i"}))
		case "before":
			return guest.Pass, e.Send("before")
		case "block":
			return guest.Drop, blocking(e)
		case "error":
			return guest.Drop, fmt.Errorf("wrapped: %w", abi.Denied)
		case "panic":
			panic("as asked")
		}
		return guest.Drop, e.Send(fmt.Sprintf("%d bytes on %s", len(ev.Data), ev.Subject))
	})
}

// blocking sends what the functions answer that an event callback may not wait with.
func blocking(e *guest.Emitter) error {
	_, second := e.Receive(guest.Forever)
	return errors.Join(
		report(e, "sleep", e.Sleep(1)),
		report(e, "comment", e.Comment("x")),
		report(e, "receive again", second),
	)
}
