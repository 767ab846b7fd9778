// Fetcher is the onStream callback of web's tests that opens remote streams: ?url= says which, ?n=
// how often.
package main

import (
	"errors"
	"strconv"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onStream
func onStream() int32 { return guest.OnStream(fetch) }

func fetch(e *guest.Emitter) error {
	r, err := e.Request()
	if err != nil {
		return err
	}
	request := guest.OpenRequest{URL: r.Query["url"][0], Headers: map[string]string{"Authorization": "Bearer {{secret.key}}"}}
	if body := r.Query["body"]; body != nil {
		request.Method, request.Body = "POST", map[string]string{"prompt": body[0]}
	}
	n := 1
	if r.Query["n"] != nil {
		n, _ = strconv.Atoi(r.Query["n"][0])
	}
	var remote *guest.Remote
	for range n {
		if remote, err = e.Open(request); err != nil {
			return e.SendEvent(guest.Event{Name: "refused", Data: abi.StatusOf(err)})
		}
	}
	return relay(e, remote)
}

// relay sends what the remote does, and how it ended.
func relay(e *guest.Emitter, remote *guest.Remote) error {
	for {
		ev, err := remote.Receive(guest.Forever)
		if err == nil {
			err = e.SendEvent(guest.Event{Data: ev.Data, Name: ev.Name})
		}
		if err == nil {
			continue
		}
		var failed *guest.RemoteError
		if !errors.Is(err, abi.Closed) && !errors.As(err, &failed) {
			return err
		}
		response, err := remote.Response()
		if err != nil {
			return err
		}
		return e.SendEvent(guest.Event{Name: "response", Data: response})
	}
}

func main() {}
