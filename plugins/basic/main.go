// Basic sends five events and closes the stream.
package main

import "github.com/millrace/millrace/abi/guest"

type status struct {
	Status   string `json:"status"`
	Progress int    `json:"progress"`
}

type done struct {
	Complete bool `json:"complete"`
}

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error {
		for _, ev := range []guest.Event{
			{Data: "Hello from server!"},
			{Data: status{"processing", 25}, Name: "update"},
			{Data: status{"processing", 50}, Name: "update"},
			{Data: status{"processing", 75}, Name: "update"},
			{Data: done{true}, Name: "done"},
		} {
			if err := e.SendEvent(ev); err != nil {
				return err
			}
		}
		return e.Close()
	})
}

func main() {}
