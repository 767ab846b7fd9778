// Wikimedia shapes the stream of recent changes to all wikis: of each it keeps five fields.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

// recent is an event of the remote stream.
type recent struct {
	Meta struct {
		Domain string `json:"domain"`
		URI    string `json:"uri"`
	} `json:"meta"`
	Type  string `json:"type"`
	Title string `json:"title"`
	User  string `json:"user"`
	Wiki  string `json:"wiki"`
}

type change struct {
	Title string `json:"title"`
	User  string `json:"user"`
	Wiki  string `json:"wiki"`
	Type  string `json:"type"` // edit, new, log or categorize
	URL   string `json:"url"`
}

//go:wasmexport onEvent
func onEvent() int32 {
	return guest.OnEvent(func(e *guest.Emitter, ev abi.Event) (guest.Verdict, error) {
		var r recent
		if err := json.Unmarshal([]byte(ev.Data), &r); err != nil {
			return guest.Drop, fmt.Errorf("read recent change: %w: %w", abi.Invalid, err)
		}
		if r.Meta.Domain == "canary" {
			return guest.Drop, nil // sent now and then to show that the stream lives
		}
		return guest.Drop, e.SendEvent(guest.Event{Data: r.change(), Name: "wiki"}) // in its place
	})
}

func (r recent) change() change {
	page := url.URL{Scheme: "https", Host: r.Meta.Domain, Path: "/wiki/" + r.Title}
	return change{Title: r.Title, User: r.User, Wiki: r.Wiki, Type: r.Type, URL: cmp.Or(r.Meta.URI, page.String())}
}

func main() {}
