package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/millrace/millrace/abi/guest"
)

// part is the data of an event of the answer; which fields are set depends on the event's name.
type part struct {
	Message struct {
		Usage usage `json:"usage"`
	} `json:"message"` // message_start
	Delta struct {
		Text       string `json:"text"`        // content_block_delta
		StopReason string `json:"stop_reason"` // message_delta
	} `json:"delta"`
	Usage usage `json:"usage"` // message_delta
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"` // error
}

type usage struct {
	Input  int `json:"input_tokens"`
	Output int `json:"output_tokens"`
}

type done struct {
	Complete bool   `json:"complete"`
	Reason   string `json:"reason"` // why the model stopped, such as end_turn or max_tokens
	Total    int    `json:"total"`  // events with text
}

// relay sends on the tokens of the answer, and at the end what they cost.
func relay(e *guest.Emitter, remote *guest.Remote) error {
	var cost usage
	end := done{Complete: true}
	for ev, err := range remote.Events() {
		if err != nil {
			return err
		}
		var p part
		if err := json.Unmarshal([]byte(ev.Data), &p); err != nil {
			e.Log().Warn("not a part of an answer", "event", ev.Name, "error", err)
			continue // one bad event does not end the answer
		}
		switch ev.Name { // ping, and events that are yet to be invented, say nothing
		case "message_start":
			cost.Input = p.Message.Usage.Input
		case "content_block_delta":
			if p.Delta.Text == "" {
				continue // of a tool's input, or a thought
			}
			end.Total++
			if err := e.SendEvent(guest.Event{Data: p.Delta.Text, Name: "token"}); err != nil {
				return err
			}
		case "message_delta":
			cost.Output, end.Reason = p.Usage.Output, p.Delta.StopReason
		case "message_stop":
			return errors.Join(
				e.SendEvent(guest.Event{Data: cost, Name: "usage"}),
				e.SendEvent(guest.Event{Data: end, Name: "done"}))
		case "error":
			return fmt.Errorf("%s: %s", p.Error.Type, p.Error.Message)
		}
	}
	return errors.New("the answer ended without its end mark")
}
