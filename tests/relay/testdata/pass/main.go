// Pass is the onEvent callback of a source that passes each event on: what a callback costs that
// does nothing.
package main

import (
	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onEvent
func onEvent() int32 {
	return guest.OnEvent(func(*guest.Emitter, abi.Event) (guest.Verdict, error) { return guest.Pass, nil })
}

func main() {}
