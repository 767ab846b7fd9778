// Ai-tokens streams the answer of a language model token by token, from a recording of the model's
// own stream.
package main

import (
	_ "embed"
	"time"

	"github.com/millrace/millrace/abi/guest"
)

// recording is a stream as chat completion APIs send it.
//
//go:embed recording.sse
var recording string

type done struct {
	Complete bool `json:"complete"`
	Total    int  `json:"total"` // tokens
}

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error {
		total := 0
		for token, err := range tokens(recording) {
			if err != nil {
				return err
			}
			if err := e.SendEvent(guest.Event{Data: token, Name: "token"}); err != nil {
				return err
			}
			total++
			if err := e.Sleep(10 * time.Millisecond); err != nil {
				return err
			}
		}
		return e.SendEvent(guest.Event{Data: done{true, total}, Name: "done"})
	})
}

func main() {}
