// Progress goes through five tasks and tells how far it is before each.
package main

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

type progress struct {
	Task     string  `json:"task"`
	Progress float64 `json:"progress"` // percent
	Step     int     `json:"step"`     // from 1
	Total    int     `json:"total"`
}

type done struct {
	Complete bool `json:"complete"`
}

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error {
		delay, err := taskTime(e)
		if err != nil {
			return err
		}
		tasks := []string{"Initialize", "Load Data", "Process", "Validate", "Complete"}
		for i, task := range tasks {
			step := i + 1
			percent := float64(step) / float64(len(tasks)) * 100
			p := progress{task, percent, step, len(tasks)}
			if err := e.SendEvent(guest.Event{Data: p, Name: "progress"}); err != nil {
				return err
			}
			if err := e.Sleep(delay); err != nil { // stands for the task
				return err
			}
		}
		if err := e.SendEvent(guest.Event{Data: done{true}, Name: "done"}); err != nil {
			return err
		}
		return e.Close()
	})
}

// taskTime is how long a task takes: the query's delay, in milliseconds.
func taskTime(e *guest.Emitter) (time.Duration, error) {
	req, err := e.Request()
	if err != nil {
		return 0, err
	}
	query := url.Values(req.Query)
	if !query.Has("delay") {
		return 300 * time.Millisecond, nil
	}
	ms, err := strconv.ParseUint(query.Get("delay"), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("delay is not milliseconds: %w: %w", abi.Invalid, err)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func main() {}
