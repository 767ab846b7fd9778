// Chat streams the messages of the channels that the viewer asks for, resumable to the message.
package main

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/millrace/millrace/abi/guest"
)

type message struct {
	Channel   string `json:"channel"`
	User      string `json:"user"`
	Text      string `json:"text"`
	Timestamp int64  `json:"timestamp"` // when it was published, Unix milliseconds
}

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error {
		req, err := e.Request()
		if err != nil {
			return err
		}
		channels := names(req.Query["channels"])
		for {
			ev, err := e.Receive(guest.Forever)
			if err != nil {
				return err
			}
			channel := strings.TrimPrefix(ev.Subject, "chat.")
			if len(channels) > 0 && !slices.Contains(channels, channel) {
				continue
			}
			var m message
			if err := json.Unmarshal([]byte(ev.Data), &m); err != nil {
				e.Log().Warn("not a message", "id", ev.ID, "error", err)
				continue
			}
			m.Channel, m.Timestamp = channel, ev.Time.UnixMilli()
			if err := e.SendEvent(guest.Event{Data: m, Name: "message", ID: ev.ID}); err != nil {
				return err
			}
		}
	})
}

// names takes lists apart: channels=a,b and channels=a&channels=b say the same. None is all.
func names(lists []string) (all []string) {
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				all = append(all, name)
			}
		}
	}
	return all
}

func main() {}
