package guest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

// recorder is a viewer, a tenant and a remote that write down what a callback does to them.
type recorder struct {
	events []abi.Event
	ends   bool // the stream, after the last event; else it goes on without one
	open   int  // remote streams
	sent   []string
	others []string
	values map[string][]byte
}

func (r *recorder) session(cases ...string) host.Session {
	request := abi.Request{Method: "GET", Tenant: "acme", Route: "r", Query: map[string][]string{"case": cases}}
	return host.Session{
		Request: request, Body: []byte("the body"), Emitter: r, Services: r, Opener: r,
		Log: func(level slog.Level, text string) { r.note(level, text) },
	}
}

func (r *recorder) note(words ...any) {
	r.others = append(r.others, strings.TrimSuffix(fmt.Sprintln(words...), "\n"))
}

func (r *recorder) Send(e abi.Event) error {
	r.sent = append(r.sent, strings.TrimRight(e.Data+" "+e.Name+" "+e.ID, " "))
	return nil
}

func (r *recorder) Comment(text string) error {
	r.note("comment", text)
	return nil
}

func (r *recorder) Close() { r.note("close") }

func (r *recorder) Receive(ctx context.Context) (*abi.Event, error) {
	if len(r.events) == 0 && r.ends {
		return nil, abi.Closed
	}
	if len(r.events) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	e := r.events[0]
	r.events = r.events[1:]
	return &e, nil
}

func (r *recorder) Publish(_ context.Context, subject string, e abi.Event) error {
	if strings.ContainsAny(subject, "*>") {
		return abi.Invalid
	}
	r.note("publish", subject, e.Data, e.Name, e.ID)
	return nil
}

func (r *recorder) KVGet(_ context.Context, key string) ([]byte, error) {
	value, ok := r.values[key]
	if !ok {
		return nil, abi.NotFound
	}
	return value, nil
}

func (r *recorder) KVPut(_ context.Context, key string, value []byte, _ time.Duration) error {
	if r.values == nil {
		r.values = map[string][]byte{}
	}
	r.values[key] = value
	return nil
}

func (r *recorder) KVDelete(_ context.Context, key string) error {
	delete(r.values, key)
	return nil
}

// Open opens a stream of the recorder's events, which then breaks off; one with another path has none
// and goes on.
func (r *recorder) Open(_ context.Context, request abi.OpenRequest) (host.Remote, error) {
	doc, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	r.note("open", string(doc))
	if strings.HasPrefix(request.URL, "https://denied.") {
		return nil, abi.Denied
	}
	r.open++
	remote := &recordedRemote{recorder: r, url: request.URL}
	if strings.HasSuffix(request.URL, "/relay") {
		remote.err = errors.New("reset by the remote")
	}
	return remote, nil
}

type recordedRemote struct {
	*recorder
	url string
	err error // how it ends; nil: it does not
	at  int
}

func (r *recordedRemote) Receive(ctx context.Context) (*abi.Event, error) {
	if r.err == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if r.at == len(r.events) {
		return nil, r.err
	}
	e := r.events[r.at]
	r.at++
	return &e, nil
}

func (r *recordedRemote) Response() abi.Response {
	response := abi.Response{URL: r.url, Status: 200, Headers: map[string]string{"X-From": "there"}, Attempts: 1}
	if r.err != nil && r.at == len(r.events) {
		response.Error = r.err.Error()
	}
	return response
}

func (r *recordedRemote) Close() { r.recorder.open-- }
