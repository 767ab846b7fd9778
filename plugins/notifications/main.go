// Notifications streams what is published to one user, resumable to the notification. The route's
// subject holds the user's name, so a viewer gets no one else's.
package main

import (
	"encoding/json"

	"github.com/millrace/millrace/abi/guest"
)

type notification struct {
	ID        string `json:"id,omitempty"`
	Type      string `json:"type"`
	Title     string `json:"title"`
	Message   string `json:"message"`
	Timestamp int64  `json:"timestamp"` // when it was published, Unix milliseconds
}

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error {
		for {
			ev, err := e.Receive(guest.Forever)
			if err != nil {
				return err
			}
			var n notification
			if err := json.Unmarshal([]byte(ev.Data), &n); err != nil {
				e.Log().Warn("not a notification", "id", ev.ID, "error", err)
				continue
			}
			n.Timestamp = ev.Time.UnixMilli()
			if err := e.SendEvent(guest.Event{Data: n, Name: "notification", ID: ev.ID}); err != nil {
				return err
			}
		}
	})
}

func main() {}
