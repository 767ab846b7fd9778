// Logs streams the server's log from a level on, resumable to the line.
package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

// record is one line of the log as the server publishes it.
type record struct {
	Time    json.RawMessage `json:"time"`
	Level   slog.Level      `json:"level"`
	Message string          `json:"msg"`
	Attrs   json.RawMessage `json:"attrs"`
}

type entry struct {
	Level     slog.Level      `json:"level"`
	Message   string          `json:"message"`
	Timestamp json.RawMessage `json:"timestamp"`
	Attrs     json.RawMessage `json:"attrs,omitempty"`
}

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error {
		least, err := minLevel(e)
		if err != nil {
			return err
		}
		for {
			ev, err := e.Receive(guest.Forever)
			if err != nil {
				return err
			}
			var r record
			if err := json.Unmarshal([]byte(ev.Data), &r); err != nil {
				e.Log().Warn("not a log record", "id", ev.ID, "error", err)
				continue
			}
			if r.Level < least {
				continue
			}
			line := entry{r.Level, r.Message, r.Time, r.Attrs}
			if err := e.SendEvent(guest.Event{Data: line, Name: "log", ID: ev.ID}); err != nil {
				return err
			}
		}
	})
}

// minLevel is the query's level; without one every line is sent.
func minLevel(e *guest.Emitter) (least slog.Level, err error) {
	req, err := e.Request()
	if err != nil {
		return 0, err
	}
	query := url.Values(req.Query)
	if !query.Has("level") {
		return slog.LevelDebug, nil
	}
	if err := least.UnmarshalText([]byte(query.Get("level"))); err != nil {
		return 0, fmt.Errorf("level: %w: %w", abi.Invalid, err)
	}
	return least, nil
}

func main() {}
