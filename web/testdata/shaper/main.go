// Shaper has a source's callbacks for web's tests: an event's data says what becomes of it.
package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onRequestStart
func onRequestStart() int32 {
	return guest.OnRequestStart(func(e *guest.Emitter) error {
		r, err := e.Response()
		if err != nil {
			return err
		}
		e.Log().Info("starting", "attempt", r.Attempts)
		return nil
	})
}

//go:wasmexport onChunk
func onChunk() int32 { return guest.OnChunk(shape) }

func shape(e *guest.Emitter, ev abi.Event) error {
	what, arg, _ := strings.Cut(ev.Data, " ")
	switch what {
	case "drop":
		return nil
	case "panic":
		panic("on purpose")
	case "twice":
		if err := e.Send(arg); err != nil {
			return err
		}
		return e.Send(arg)
	case "facts":
		r, err := e.Response()
		if err != nil {
			return err
		}
		return e.SendEvent(guest.Event{Data: r, Name: "facts"})
	case "close":
		if err := e.Send("closing"); err != nil {
			return err
		}
		return e.Close()
	case "hush": // closes without a word
		return e.Close()
	case "whoami":
		r, err := e.Request()
		if err != nil {
			return err
		}
		return e.Send(r.Tenant + "/" + r.Route)
	case "open":
		remote, err := e.Open(guest.OpenRequest{URL: arg})
		if err != nil {
			return e.Send(abi.StatusOf(err))
		}
		got, err := remote.Receive(5 * time.Second)
		if err != nil {
			return e.Send(abi.StatusOf(err))
		}
		return e.Send(got.Data)
	}
	return e.Send(strings.ToUpper(ev.Data))
}

//go:wasmexport onComplete
func onComplete() int32 {
	return guest.OnComplete(func(e *guest.Emitter) error {
		return e.SendEvent(guest.Event{Data: "complete", Name: "end"})
	})
}

// onError tells the error, and does what the key on-error says.
//
//go:wasmexport onError
func onError() int32 {
	return guest.OnError(func(e *guest.Emitter) (guest.Retry, error) {
		r, err := e.Response()
		if err != nil {
			return guest.Decide, err
		}
		if err := e.SendEvent(guest.Event{Data: r.Status, Name: "failed"}); err != nil {
			return guest.Decide, err
		}
		answer, _ := e.KV().Get("on-error")
		n, _ := strconv.Atoi(string(answer))
		return guest.Retry(n), nil
	})
}

func main() {}
