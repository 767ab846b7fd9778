package main

import (
	"encoding/json"
	"errors"

	"github.com/millrace/millrace/abi/guest"
)

// chunk is the data of one event of the answer.
type chunk struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
	} `json:"choices"`
	Usage json.RawMessage `json:"usage"` // null in all but the last
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

type done struct {
	Complete bool `json:"complete"`
	Total    int  `json:"total"` // events with text
}

// relay sends on the tokens of the answer, and at the end what they cost.
func relay(e *guest.Emitter, remote *guest.Remote) error {
	total := 0
	for ev, err := range remote.Events() {
		if err != nil {
			return err
		}
		if ev.Data == "[DONE]" {
			return e.SendEvent(guest.Event{Data: done{true, total}, Name: "done"})
		}
		var c chunk
		if err := json.Unmarshal([]byte(ev.Data), &c); err != nil {
			e.Log().Warn("not a chunk", "error", err)
			continue // one bad event does not end the answer
		}
		if c.Error != nil {
			return errors.New(c.Error.Message)
		}
		if len(c.Choices) > 0 && c.Choices[0].Delta.Content != "" {
			if err := e.SendEvent(guest.Event{Data: c.Choices[0].Delta.Content, Name: "token"}); err != nil {
				return err
			}
			total++
		}
		if len(c.Usage) > 0 && string(c.Usage) != "null" {
			if err := e.SendEvent(guest.Event{Data: c.Usage, Name: "usage"}); err != nil {
				return err
			}
		}
	}
	return errors.New("the answer ended without its end mark")
}
