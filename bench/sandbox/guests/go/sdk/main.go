// Sdk is an event callback as the SDK wants it: it sends the data it receives in upper case.
package main

import (
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onEvent
func onEvent() int32 {
	return guest.OnEvent(func(e *guest.Emitter, ev abi.Event) (guest.Verdict, error) {
		return guest.Drop, e.Send(strings.ToUpper(ev.Data))
	})
}

func main() {}
