package guest

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/abi"
)

// Event is one event to send or publish. Name and ID may be empty.
//
// Data becomes text so: a string, a byte slice and an error as they are; all else as encoding/json
// writes it, without quotes if that is a single string. So numbers and bools are plain text, a
// time.Time is RFC 3339, and a struct, map or slice is a JSON document. A json.RawMessage stays
// what it is. Data that JSON cannot hold is abi.Invalid, and so is text that is not UTF-8.
type Event struct {
	Data any
	Name string // the event type; empty is a browser's "message"
	ID   string // the client's last event id from here on; empty leaves it as it was
}

// text is v as the data of an event.
func text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	case json.RawMessage:
		return string(v), nil
	case error:
		return v.Error(), nil
	}
	doc, err := encode(v)
	if err != nil {
		return "", fmt.Errorf("data of type %T: %w: %w", v, abi.Invalid, err)
	}
	if doc[0] != '"' {
		return string(doc), nil
	}
	var s string
	err = json.Unmarshal(doc, &s)
	return s, err
}

// encode is json.Marshal, but leaves <, > and & alone: events are not HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
