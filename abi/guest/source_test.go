package guest_test

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestOnChunk(t *testing.T) {
	h := &guesttest.Host{Response: &abi.Response{URL: address.URL, Status: 200, LastEventID: "7", Events: 3, Bytes: 90}}
	want := abi.Event{Data: "x", Name: "edit", ID: "7", Subject: address.URL}
	got := h.Event(t, func() int32 {
		return guest.OnChunk(func(e *guest.Emitter, ev abi.Event) error {
			if ev != want {
				t.Errorf("got event %+v, want %+v", ev, want)
			}
			if r, err := e.Response(); err != nil || !reflect.DeepEqual(r, *h.Response) {
				t.Errorf("Response() = %+v, %v, want %+v", r, err, *h.Response)
			}
			if err := e.Sleep(1); !errors.Is(err, abi.Unavailable) {
				t.Errorf("Sleep in onChunk: %v, want %v", err, abi.Unavailable)
			}
			return e.SendEvent(guest.Event{Data: "y", Name: ev.Name})
		})
	}, want)
	if sent := []abi.Event{{Data: "y", Name: "edit"}}; got.Code != 0 || !slices.Equal(got.Sent, sent) {
		t.Errorf("sent %v with code %d, want %v", got.Sent, got.Code, sent)
	}
}

func TestSourceCallbacks(t *testing.T) {
	callbacks := map[string]func(f func(e *guest.Emitter) error) int32{
		abi.OnRequestStart: guest.OnRequestStart,
		abi.OnChunk: func(f func(e *guest.Emitter) error) int32 {
			return guest.OnChunk(func(e *guest.Emitter, _ abi.Event) error { return f(e) })
		},
		abi.OnComplete: guest.OnComplete,
		abi.OnError: func(f func(e *guest.Emitter) error) int32 {
			return guest.OnError(func(e *guest.Emitter) (guest.Retry, error) { return guest.Stop, f(e) })
		},
	}
	for name, callback := range callbacks {
		got := new(guesttest.Host).Event(t, func() int32 {
			return callback(func(*guest.Emitter) error { return abi.Limit })
		}, abi.Event{})
		if got.Code != int32(abi.Limit) || len(got.Log) != 1 {
			t.Errorf("%s: an error has code %d and log %v", name, got.Code, got.Log)
		}
	}
	for _, name := range []string{abi.OnComplete, abi.OnError} {
		got := new(guesttest.Host).End(t, func() int32 {
			return callbacks[name](func(e *guest.Emitter) error {
				if _, err := e.Receive(guest.Forever); !errors.Is(err, abi.Closed) {
					t.Errorf("%s: Receive: %v, want %v", name, err, abi.Closed)
				}
				if _, err := e.Response(); !errors.Is(err, abi.NotFound) {
					t.Errorf("%s: Response without one: %v, want %v", name, err, abi.NotFound)
				}
				return e.Send(name)
			})
		})
		if got.Code < 0 || len(got.Sent) != 1 {
			t.Errorf("%s: sent %v with code %d", name, got.Sent, got.Code)
		}
	}
}

func TestOnRequestStartSendsNothing(t *testing.T) {
	got := new(guesttest.Host).RequestStart(t, func() int32 {
		return guest.OnRequestStart(func(e *guest.Emitter) error {
			if err := e.Send("x"); !errors.Is(err, abi.Unavailable) {
				t.Errorf("Send: %v, want %v", err, abi.Unavailable)
			}
			return e.KV().Put("started", e.Now(), 0)
		})
	})
	if got.Code != 0 || len(got.Sent) > 0 {
		t.Errorf("sent %v with code %d", got.Sent, got.Code)
	}
}

func TestOnErrorResult(t *testing.T) {
	for _, tt := range []struct {
		name  string
		retry guest.Retry
		want  int32
	}{
		{"the policy decides", guest.Decide, abi.RetryDecide},
		{"the source stops", guest.Stop, abi.RetryStop},
		{"a wait is in milliseconds", guest.After(time.Minute), 60_000},
		{"rounded up", guest.After(2500 * time.Microsecond), 3},
		{"a short one is not taken for a stop", guest.After(time.Millisecond), 2},
		{"nor none for a decision", guest.After(0), 2},
		{"nor less for an error", guest.After(-time.Hour), 2},
		{"a long one is bounded", guest.After(1000 * time.Hour), math.MaxInt32},
	} {
		got := new(guesttest.Host).End(t, func() int32 {
			return guest.OnError(func(*guest.Emitter) (guest.Retry, error) { return tt.retry, nil })
		})
		if got.Code != tt.want {
			t.Errorf("%s: code %d, want %d", tt.name, got.Code, tt.want)
		}
	}
}
