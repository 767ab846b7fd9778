// Github-events follows a repository's events: it makes a short notice of each push, and asks for a
// build of the main branch.
package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

// push is the data of a push event, as GitHub's webhooks have it.
type push struct {
	Ref        string `json:"ref"`
	After      string `json:"after"`
	Repository struct {
		FullName string `json:"full_name"`
	} `json:"repository"`
	Pusher struct {
		Name string `json:"name"`
	} `json:"pusher"`
	Commits []json.RawMessage `json:"commits"`
}

type notice struct {
	Repository string `json:"repository"`
	Branch     string `json:"branch"`
	Pusher     string `json:"pusher"`
	Commits    int    `json:"commits"`
}

type build struct {
	Repository string `json:"repository"`
	Commit     string `json:"commit"`
}

//go:wasmexport onRequestStart
func onRequestStart() int32 {
	return guest.OnRequestStart(func(e *guest.Emitter) error {
		r, err := e.Response()
		if err != nil {
			return err
		}
		e.Log().Info("connecting", "attempt", r.Attempts, "behind", r.LastEventID)
		return nil
	})
}

//go:wasmexport onChunk
func onChunk() int32 {
	return guest.OnChunk(func(e *guest.Emitter, ev abi.Event) error {
		if ev.Name != "push" {
			return nil
		}
		var p push
		if err := json.Unmarshal([]byte(ev.Data), &p); err != nil {
			return fmt.Errorf("read push: %w: %w", abi.Invalid, err)
		}
		if p.Ref == "refs/heads/main" {
			b := build{Repository: p.Repository.FullName, Commit: p.After}
			if err := e.Publish("builds", guest.Event{Data: b, Name: "build"}); err != nil {
				return err
			}
		}
		branch := strings.TrimPrefix(p.Ref, "refs/heads/")
		return e.SendEvent(guest.Event{Data: notice{p.Repository.FullName, branch, p.Pusher.Name, len(p.Commits)}, Name: "push"})
	})
}

//go:wasmexport onError
func onError() int32 {
	return guest.OnError(func(e *guest.Emitter) (guest.Retry, error) {
		r, err := e.Response()
		if err != nil {
			return guest.Decide, err
		}
		e.Log().Warn("no events", "status", r.Status, "error", r.Error)
		switch {
		case r.Headers["X-Ratelimit-Remaining"] == "0", r.Status == 429 && r.Headers["Retry-After"] == "":
			return guest.After(time.Minute), nil
		case r.Status == 401, r.Status == 403:
			return guest.Stop, nil // until somebody gives it another token
		}
		return guest.Decide, nil
	})
}

func main() {}
