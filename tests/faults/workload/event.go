package workload

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/faults/checker"
)

// endSubject has one event, the last of all, which every viewer waits for.
const endSubject = "end"

func loadSubject(publisher int) string { return fmt.Sprintf("load.%d", publisher) }
func feedSubject(source int) string    { return fmt.Sprintf("feed.%d", source) }

// payload is an event's data. It tells what the wire does not: subject and number.
type payload struct {
	Subject string `json:"subject"`
	Number  int    `json:"number"`
	Text    string `json:"text"` // so that it has a usual size
}

var text = strings.Repeat("what an event says ", 8)

func encode(subject string, number int) []byte {
	b, err := json.Marshal(payload{subject, number, text})
	if err != nil {
		panic(err) // strings and a number
	}
	return b
}

// decode reads an event that a viewer received.
func decode(e abi.Event) (checker.Event, error) {
	var p payload
	if err := json.Unmarshal([]byte(e.Data), &p); err != nil {
		return checker.Event{}, fmt.Errorf("data %.100q: %w", e.Data, err)
	}
	if p.Text != text {
		return checker.Event{}, fmt.Errorf("data %.100q is damaged", e.Data)
	}
	return checker.Event{Subject: p.Subject, Number: p.Number, ID: e.ID}, nil
}
