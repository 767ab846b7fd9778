// Monitoring reads a feed of metrics, alerts and heartbeats. It stores each metric in windows of ten
// seconds, publishes alerts, its own too, as alerts, and keeps when it last heard a heartbeat.
package main

import (
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

// sample is the data of a metric.
type sample struct {
	Name      string  `json:"name"`
	Value     float64 `json:"value"`
	Threshold float64 `json:"threshold,omitempty"` // 0 is none
	Timestamp int64   `json:"timestamp"`           // Unix milliseconds
}

// Callbacks of a source run one after the other on one instance. When it is lost, so are windows
// that go on; sources that share the plugin share them.
var current = windows{}

//go:wasmexport onChunk
func onChunk() int32 {
	return guest.OnChunk(func(e *guest.Emitter, ev abi.Event) error {
		switch ev.Name {
		case "metric":
			return metric(e, ev)
		case "alert":
			return e.Publish("alerts", guest.Event{Data: ev.Data, Name: "alert"})
		case "heartbeat":
			return e.KV().Put("monitoring.seen", e.Now(), 0)
		}
		e.Log().Warn("unknown event", "event", ev.Name)
		return nil
	})
}

// metric counts a sample, and makes an alert of one past its threshold.
func metric(e *guest.Emitter, ev abi.Event) error {
	var s sample
	if err := json.Unmarshal([]byte(ev.Data), &s); err != nil {
		return fmt.Errorf("read metric: %w: %w", abi.Invalid, err)
	}
	if s.Threshold > 0 && s.Value > s.Threshold {
		if err := e.Publish("alerts", guest.Event{Data: s, Name: "alert"}); err != nil {
			return err
		}
	}
	ended, err := current.add(s)
	if err != nil || ended == nil {
		return err
	}
	return e.SendEvent(guest.Event{Data: ended, Name: "metric"})
}

//go:wasmexport onComplete
func onComplete() int32 {
	return guest.OnComplete(func(e *guest.Emitter) error {
		for _, w := range current.drain() {
			if err := e.SendEvent(guest.Event{Data: w, Name: "metric"}); err != nil {
				return err
			}
		}
		e.Log().Info("monitoring feed closed")
		return nil
	})
}

func main() {}
