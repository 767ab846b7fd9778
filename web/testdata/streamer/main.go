// Streamer is the onStream callback of web's tests: ?case= says what it does.
package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error {
		r, err := e.Request()
		if err != nil {
			return err
		}
		do, ok := cases[r.Query["case"][0]]
		if !ok {
			return errors.New("no such case")
		}
		return do(e, r)
	})
}

var cases = map[string]func(*guest.Emitter, abi.Request) error{
	"hello": func(e *guest.Emitter, r abi.Request) error { return e.Send("hello " + r.Params["name"]) },
	"request": func(e *guest.Emitter, r abi.Request) error {
		body, err := e.Body()
		if err != nil {
			return err
		}
		if err := e.Send(r); err != nil {
			return err
		}
		return e.SendEvent(guest.Event{Data: body, Name: "body"})
	},
	"close": func(e *guest.Emitter, _ abi.Request) error {
		_ = e.Send("before")
		_ = e.Close()
		if err := e.Send("after"); !errors.Is(err, abi.Closed) {
			panic("send after close answers " + err.Error())
		}
		return nil
	},
	"fail":  func(*guest.Emitter, abi.Request) error { return abi.NotFound },
	"panic": func(*guest.Emitter, abi.Request) error { panic("on purpose") },
	"spin": func(e *guest.Emitter, _ abi.Request) error {
		_ = e.Send("spinning")
		for {
		}
	},
	// echo forwards what it receives, with its id, until the stream ends.
	"echo": func(e *guest.Emitter, _ abi.Request) error {
		for {
			ev, err := e.Receive(guest.Forever)
			if err != nil {
				return err
			}
			if err := e.SendEvent(guest.Event{Data: ev.Data, Name: ev.Name, ID: ev.ID}); err != nil {
				return err
			}
		}
	},
	// bare sends what it receives without an id.
	"bare": func(e *guest.Emitter, _ abi.Request) error {
		if err := e.Send("hello"); err != nil {
			return err
		}
		for {
			ev, err := e.Receive(guest.Forever)
			if err != nil {
				return err
			}
			if err := e.Send(ev.Data); err != nil {
				return err
			}
		}
	},
	// pair sends two events for each that it receives; ?hold stops it between the two.
	"pair": func(e *guest.Emitter, r abi.Request) error {
		for {
			ev, err := e.Receive(guest.Forever)
			if err != nil {
				return err
			}
			if err := e.Send("first of " + ev.Data); err != nil {
				return err
			}
			if _, hold := r.Query["hold"]; hold {
				return e.Sleep(time.Hour)
			}
			if err := e.Send("second of " + ev.Data); err != nil {
				return err
			}
		}
	},
	"poll": func(e *guest.Emitter, _ abi.Request) error {
		ev, err := e.Receive(0)
		if errors.Is(err, abi.Timeout) {
			return e.Send("nothing")
		}
		if err != nil {
			return err
		}
		return e.Send(ev.Data)
	},
	// wait stays until the stream ends, and says so where others can see it.
	"wait": func(e *guest.Emitter, _ abi.Request) error {
		_ = e.Send("waiting")
		for !e.IsClosed() {
			time.Sleep(time.Hour)
		}
		return e.KV().Put("left", []byte("yes"), 0)
	},
	// flood sends as many events as ?n= says and publishes how far it is.
	"flood": func(e *guest.Emitter, r abi.Request) error {
		n, _ := strconv.Atoi(r.Query["n"][0])
		for i := range n {
			if err := e.Send(i); err != nil {
				return err
			}
		}
		if err := e.KV().Put("sent", []byte(strconv.Itoa(n)), 0); err != nil {
			return err
		}
		return e.Sleep(time.Hour)
	},
	"publish": func(e *guest.Emitter, r abi.Request) error {
		return e.Publish("made.here", guest.Event{Data: "by a callback", Name: "made"})
	},
}

func main() {}
