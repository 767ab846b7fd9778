// Cors sends two events with ids to pages of any origin. Which origins may read a stream is a
// setting of its route; the callback has no part in it.
package main

import "github.com/millrace/millrace/abi/guest"

type greeting struct {
	Message string `json:"message"`
}

type payload struct {
	Data string `json:"data"`
}

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error {
		if err := e.SendEvent(guest.Event{Data: greeting{"Hello from API"}, Name: "greeting", ID: "1"}); err != nil {
			return err
		}
		if err := e.SendEvent(guest.Event{Data: payload{"Cross-origin data"}, Name: "data", ID: "2"}); err != nil {
			return err
		}
		return e.Close()
	})
}

func main() {}
