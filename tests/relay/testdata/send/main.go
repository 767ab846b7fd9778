// Send is the onChunk callback of a source that sends each event on, in its own words.
package main

import (
	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onChunk
func onChunk() int32 {
	return guest.OnChunk(func(e *guest.Emitter, ev abi.Event) error {
		return e.SendEvent(guest.Event{Data: ev.Data, Name: ev.Name})
	})
}

func main() {}
