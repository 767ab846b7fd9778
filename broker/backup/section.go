package backup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// Tenant begins a section: what it is about, and how far it reaches.
type Tenant struct {
	ID      string          `json:"id"` // random; sealed secrets are bound to it
	Name    string          `json:"name"`
	Created time.Time       `json:"created"`
	Spec    json.RawMessage `json:"spec"`
	History *History        `json:"history,omitempty"` // nil if the tenant has never used one
	Bytes   int64           `json:"bytes"`             // of events and stored values, about

	Secrets  int    `json:"secrets"`            // that the tenant has
	KeyCheck []byte `json:"keyCheck,omitempty"` // of the key that they are sealed with; without one they are left out
}

// History is how far a tenant's history reached.
type History struct {
	Epoch  string   `json:"epoch"`
	Past   []Prefix `json:"past,omitempty"`
	First  uint64   `json:"first"`
	Last   uint64   `json:"last"`
	Events uint64   `json:"events"` // about
}

// Prefix says that ids of an earlier epoch are good up to a sequence.
type Prefix struct {
	Epoch string `json:"epoch"`
	Last  uint64 `json:"last"`
}

// Record is one line of what the registry has of a tenant.
type Record struct {
	Kind   string          `json:"kind"`
	Name   string          `json:"name"`
	Record json.RawMessage `json:"record"`
}

// Message is one line of what a stream has: an event, or a stored value.
type Message struct {
	Seq     uint64
	Time    time.Time
	Subject string
	Header  map[string][]string
	Data    []byte
}

// messageLine is a Message as JSON. Data that is no text is in Base64.
type messageLine struct {
	Seq     uint64              `json:"seq"`
	Time    time.Time           `json:"time"`
	Subject string              `json:"subject"`
	Header  map[string][]string `json:"header,omitempty"`
	Data    *string             `json:"data,omitempty"`
	Base64  *[]byte             `json:"base64,omitempty"`
}

// AddMessage adds a message as a line.
func (l *Lines) AddMessage(m Message) error {
	line := messageLine{Seq: m.Seq, Time: m.Time.UTC(), Subject: m.Subject, Header: m.Header}
	if utf8.Valid(m.Data) {
		text := string(m.Data)
		line.Data = &text
	} else {
		line.Base64 = &m.Data
	}
	return l.Add(&line)
}

// EachMessage is EachLine for messages. They keep nothing of the part.
func EachMessage(p Part, use func(Message) error) error {
	return EachLine(p, func(line messageLine) error {
		m := Message{Seq: line.Seq, Time: line.Time, Subject: line.Subject, Header: line.Header}
		switch {
		case line.Data != nil && line.Base64 == nil:
			m.Data = []byte(*line.Data)
		case line.Base64 != nil && line.Data == nil:
			m.Data = *line.Base64
		default:
			return damaged("message %d of %s/%s has not one of data and base64", m.Seq, p.Tenant, p.Name)
		}
		return use(m)
	})
}

// JSON adds a part that is one JSON document.
func (w *Writer) JSON(tenant, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.Part(tenant, name, b)
}

// Lines writes the numbered parts of one folder.
type Lines struct {
	w      *Writer
	tenant string
	folder string
	part   int
	buf    bytes.Buffer
}

// NewLines begins a folder of a section. Until it is closed nothing else is added to the section.
func (w *Writer) NewLines(tenant, folder string) *Lines {
	return &Lines{w: w, tenant: tenant, folder: folder}
}

// Add adds a line.
func (l *Lines) Add(v any) error {
	e := json.NewEncoder(&l.buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	if l.buf.Len() < partBytes {
		return nil
	}
	return l.Close()
}

// Close writes what is not yet written.
func (l *Lines) Close() error {
	if l.buf.Len() == 0 {
		return nil
	}
	l.part++
	err := l.w.Part(l.tenant, fmt.Sprintf("%s/%08d.ndjson", l.folder, l.part), l.buf.Bytes())
	l.buf.Reset()
	return err
}

// EachLine decodes the lines of a part, in order. An error of JSON is ErrDamaged, one of use is
// returned as it is.
func EachLine[T any](p Part, use func(T) error) error {
	rest := p.Data
	for n := 1; len(rest) > 0; n++ {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return damaged("line %d of %s/%s: %v", n, p.Tenant, p.Name, err)
		}
		if err := use(v); err != nil {
			return err
		}
	}
	return nil
}

// Document decodes a part that is one JSON document.
func (p Part) Document(v any) error {
	if err := json.Unmarshal(p.Data, v); err != nil {
		return damaged("%s/%s: %v", p.Tenant, p.Name, err)
	}
	return nil
}
