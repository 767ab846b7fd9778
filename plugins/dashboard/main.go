// Dashboard sends the server's measurements every few seconds, for an hour at most.
package main

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

const (
	maxDuration  = time.Hour
	defaultEvery = 5 * time.Second

	// Measurements come once a second, some a little early.
	early = 100 * time.Millisecond
)

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error {
		every, err := interval(e)
		if err != nil {
			return err
		}
		var next time.Time
		end := e.Now().Add(maxDuration)
		for now := e.Now(); now.Before(end); now = e.Now() {
			ev, err := e.Receive(end.Sub(now))
			if errors.Is(err, abi.Timeout) {
				break
			}
			if err != nil {
				return err
			}
			if now = e.Now(); now.Before(next) {
				continue
			}
			if err := e.SendEvent(guest.Event{Data: ev.Data, Name: "metrics"}); err != nil {
				return err
			}
			next = now.Add(every - early)
		}
		return e.Close()
	})
}

// interval is what the query's every asks for, in milliseconds.
func interval(e *guest.Emitter) (time.Duration, error) {
	req, err := e.Request()
	if err != nil {
		return 0, err
	}
	query := url.Values(req.Query)
	if !query.Has("every") {
		return defaultEvery, nil
	}
	ms, err := strconv.ParseUint(query.Get("every"), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("every is not milliseconds: %w: %w", abi.Invalid, err)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func main() {}
