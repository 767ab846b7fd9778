package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

// remotes opens streams in all ways there are, and sends what the functions answer.
func remotes(e *guest.Emitter) error {
	_, invalid := e.Open(guest.OpenRequest{})
	_, denied := e.Open(guest.OpenRequest{URL: "https://denied.example/"})
	r, err := e.Open(guest.OpenRequest{
		URL: "https://remote.example/a", Method: "POST", Headers: map[string]string{"X-Key": "{{secret.key}}"},
		Body: map[string]int{"n": 1}, SSE: true, LastEventID: "7",
		ConnectTimeout: time.Second, IdleTimeout: time.Minute, Timeout: time.Hour,
	})
	if err != nil {
		return err
	}
	_, waited := r.Receive(time.Millisecond)
	response, err := r.Response()
	if err != nil {
		return err
	}
	closed := r.Close()
	_, after := r.Receive(0)
	_, none := e.Response()
	return errors.Join(
		report(e, "open without a URL", invalid), report(e, "open what is denied", denied),
		report(e, "receive", waited), e.Send(fmt.Sprintf("%s: %d %s", response.URL, response.Status, response.Headers["X-From"])),
		report(e, "end", closed), report(e, "receive after end", after),
		report(e, "response of a route", none), report(e, "end twice", r.Close()),
	)
}

// relay opens as many streams as it may, sends on what the first gives, and ends with its error.
func relay(e *guest.Emitter) error {
	var first *guest.Remote
	for n := 0; ; n++ {
		r, err := e.Open(guest.OpenRequest{URL: "https://remote.example/relay"})
		if errors.Is(err, abi.Limit) {
			if err := e.Send(fmt.Sprint(n, " are open")); err != nil {
				return err
			}
			break
		}
		if err != nil {
			return err
		}
		if first == nil {
			first = r
		}
	}
	for ev, err := range first.Events() {
		if err != nil {
			return e.Send(err)
		}
		if err := e.SendEvent(guest.Event{Data: ev.Data, Name: ev.Name, ID: ev.ID}); err != nil {
			return err
		}
	}
	return e.Send("ended")
}
