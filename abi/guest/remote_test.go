package guest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

// remote is a host whose only remote stream is r.
func remote(r guesttest.Remote) *guesttest.Host {
	return &guesttest.Host{Open: func(abi.OpenRequest) (guesttest.Remote, error) { return r, nil }}
}

var address = guest.OpenRequest{URL: "https://remote.example/stream"}

func TestOpenAsks(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    guest.OpenRequest
		want abi.OpenRequest
	}{
		{"the least", address, abi.OpenRequest{URL: address.URL}},
		{"the most", guest.OpenRequest{
			URL: address.URL, Method: "POST", Headers: map[string]string{"X-Key": "{{secret.key}}"}, Body: map[string]any{"n": []int{1}, "t": "<b>"},
			SSE: true, LastEventID: "7", ConnectTimeout: time.Second, IdleTimeout: 1500 * time.Microsecond, Timeout: time.Hour,
		}, abi.OpenRequest{
			URL: address.URL, Method: "POST", Headers: map[string]string{"X-Key": "{{secret.key}}"}, Body: json.RawMessage(`{"n":[1],"t":"<b>"}`),
			SSE: true, LastEventID: "7", ConnectTimeout: 1000, IdleTimeout: 2, Timeout: 3_600_000,
		}},
		{"a string is sent as it is", guest.OpenRequest{URL: address.URL, Method: "PUT", Body: `say "hi"`},
			abi.OpenRequest{URL: address.URL, Method: "PUT", Body: json.RawMessage(`"say \"hi\""`)}},
		{"so are bytes", guest.OpenRequest{URL: address.URL, Method: "PUT", Body: []byte(`{}`)},
			abi.OpenRequest{URL: address.URL, Method: "PUT", Body: json.RawMessage(`"{}"`)}},
		{"raw JSON is JSON", guest.OpenRequest{URL: address.URL, Method: "PUT", Body: json.RawMessage(`{}`)},
			abi.OpenRequest{URL: address.URL, Method: "PUT", Body: json.RawMessage(`{}`)}},
	} {
		got := stream(t, remote(guesttest.Remote{}), func(e *guest.Emitter) error {
			_, err := e.Open(tt.r)
			return err
		})
		if got.Code != 0 || len(got.Opened) != 1 || !reflect.DeepEqual(got.Opened[0], tt.want) {
			t.Errorf("%s: opened %+v with code %d, want %+v", tt.name, got.Opened, got.Code, tt.want)
		}
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	busy := &guesttest.Host{Open: func(abi.OpenRequest) (guesttest.Remote, error) {
		return guesttest.Remote{}, fmt.Errorf("busy: %w", abi.Limit)
	}}
	for _, tt := range []struct {
		name string
		h    *guesttest.Host
		r    guest.OpenRequest
		want abi.Status
	}{
		{"no host is on the allow-list at first", &guesttest.Host{}, address, abi.Denied},
		{"the host has its own reasons", busy, address, abi.Limit},
		{"no URL", busy, guest.OpenRequest{}, abi.Invalid},
		{"a GET has no body", busy, guest.OpenRequest{URL: address.URL, Body: "x"}, abi.Invalid},
		{"an unknown method", busy, guest.OpenRequest{URL: address.URL, Method: "TRACE"}, abi.Invalid},
		{"a body that is not UTF-8", busy, guest.OpenRequest{URL: address.URL, Method: "POST", Body: []byte{0xff}}, abi.Invalid},
		{"a body that JSON cannot hold", busy, guest.OpenRequest{URL: address.URL, Method: "POST", Body: func() {}}, abi.Invalid},
		{"raw JSON that is none", busy, guest.OpenRequest{URL: address.URL, Method: "POST", Body: json.RawMessage(`{`)}, abi.Invalid},
		{"a time below 0", busy, guest.OpenRequest{URL: address.URL, Timeout: -1}, abi.Invalid},
		{"too much", busy, guest.OpenRequest{URL: address.URL, Method: "POST", Body: string(make([]byte, abi.MaxSendBytes))}, abi.TooBig},
	} {
		stream(t, tt.h, func(e *guest.Emitter) error {
			if _, err := e.Open(tt.r); !errors.Is(err, tt.want) {
				t.Errorf("%s: Open: %v, want %v", tt.name, err, tt.want)
			}
			return nil
		})
	}
}

func TestRemoteReceive(t *testing.T) {
	later := time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC).Local()
	cut := errors.New("connection reset")
	h := remote(guesttest.Remote{
		Response: abi.Response{Headers: map[string]string{"Content-Type": "text/event-stream"}},
		Events:   []abi.Event{{Data: "at once", ID: "7"}, {Data: "in a second", Time: later}},
		Err:      cut,
	})
	stream(t, h, func(e *guest.Emitter) error {
		r, err := e.Open(address)
		if err != nil {
			return err
		}
		for _, tt := range []struct {
			timeout time.Duration
			want    string
			err     error
		}{{0, "at once", nil}, {0, "", abi.Timeout}, {999 * time.Millisecond, "", abi.Timeout}, {guest.Forever, "in a second", nil}} {
			if got, err := r.Receive(tt.timeout); got.Data != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("Receive(%v) = %q, %v, want %q, %v", tt.timeout, got.Data, err, tt.want, tt.err)
			}
		}
		want := abi.Response{URL: address.URL, Status: 200, Headers: map[string]string{"Content-Type": "text/event-stream"}, Attempts: 1, LastEventID: "7"}
		if got, err := r.Response(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Response() = %+v, %v, want %+v", got, err, want)
		}
		var failed *guest.RemoteError
		want.Error = cut.Error()
		for range 2 {
			if _, err := r.Receive(guest.Forever); !errors.As(err, &failed) || !errors.Is(err, abi.Unavailable) ||
				!reflect.DeepEqual(failed.Response, want) || err.Error() != "remote stream: connection reset" {
				t.Errorf("after the last event Receive answers %+v", err)
			}
		}
		return nil
	})
}

func TestRemoteHandles(t *testing.T) {
	var asked int
	h := &guesttest.Host{Open: func(abi.OpenRequest) (guesttest.Remote, error) {
		asked++
		return guesttest.Remote{Events: []abi.Event{{Data: fmt.Sprint(asked)}}}, nil
	}}
	stream(t, h, func(e *guest.Emitter) error {
		var open []*guest.Remote
		for range abi.MaxRemotes {
			r, err := e.Open(address)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, r)
		}
		if _, err := e.Open(address); !errors.Is(err, abi.Limit) {
			t.Errorf("one more: %v, want %v", err, abi.Limit)
		}
		if ev, err := open[2].Receive(0); ev.Data != "3" || err != nil {
			t.Errorf("the third gives %q, %v", ev.Data, err)
		}
		if err := open[2].Close(); err != nil {
			t.Error(err)
		}
		_, received := open[2].Receive(0)
		_, response := open[2].Response()
		for what, err := range map[string]error{"Receive": received, "Response": response, "Close": open[2].Close()} {
			if !errors.Is(err, abi.NotFound) {
				t.Errorf("%s after Close: %v, want %v", what, err, abi.NotFound)
			}
		}
		if _, err := e.Open(address); err != nil {
			t.Errorf("another in its place: %v", err)
		}
		return nil
	})
}

func TestRemoteEvents(t *testing.T) {
	all := []abi.Event{{Data: "one"}, {Data: "two"}, {Data: "three", Time: time.Date(2000, 1, 1, 0, 1, 0, 0, time.UTC)}}
	for _, tt := range []struct {
		name  string
		r     guesttest.Remote
		leave time.Duration
		most  int // events to take
		want  []string
		err   error
	}{
		{"all of them", guesttest.Remote{Events: all}, time.Hour, 9, []string{"one", "two", "three"}, nil},
		{"not more than are asked for", guesttest.Remote{Events: all}, time.Hour, 2, []string{"one", "two"}, nil},
		{"a failure comes last", guesttest.Remote{Events: all[:2], Err: abi.TooBig}, time.Hour, 9, []string{"one", "two"}, abi.TooBig},
		{"and the end of the viewer's stream", guesttest.Remote{Events: all}, time.Second, 9, []string{"one", "two"}, abi.Closed},
	} {
		h := remote(tt.r)
		h.Leave = tt.leave
		stream(t, h, func(e *guest.Emitter) error {
			r, err := e.Open(address)
			if err != nil {
				return err
			}
			var got []string
			var last error
			for ev, err := range r.Events() {
				if last = err; err == nil {
					got = append(got, ev.Data)
				}
				if len(got) == tt.most {
					break
				}
			}
			if !slices.Equal(got, tt.want) || !errors.Is(last, tt.err) {
				t.Errorf("%s: %q, %v, want %q, %v", tt.name, got, last, tt.want, tt.err)
			}
			return nil
		})
	}
}
