package main

import (
	"errors"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

type failure struct {
	Error  string `json:"error"`
	Status int    `json:"status,omitempty"` // of the provider, if it was that
}

// tell has the viewer know that there is no answer, or no more of it. Why is for the log: what a
// provider says may name accounts and keys.
func tell(e *guest.Emitter, err error) error {
	if err == nil || errors.Is(err, abi.Closed) {
		return err
	}
	e.Log().Error("no answer", "error", err)
	f := failure{Error: "the provider did not answer as it should"}
	var remote *guest.RemoteError
	if errors.As(err, &remote) {
		f.Status = remote.Response.Status
	}
	return e.SendEvent(guest.Event{Data: f, Name: "error"})
}
