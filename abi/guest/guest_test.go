package guest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestOnStreamResult(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		code abi.Status
		log  string
	}{
		{"no error is success", nil, abi.OK, ""},
		{"the end of the stream is success", abi.Closed, abi.OK, ""},
		{"also when it is wrapped", fmt.Errorf("send: %w", abi.Closed), abi.OK, ""},
		{"a status is the code", fmt.Errorf("min: %w", abi.Invalid), abi.Invalid, "min: invalid argument"},
		{"an error without status is unavailable", errors.New("no luck"), abi.Unavailable, "no luck"},
		{"OK as an error is still an error", abi.OK, abi.Unavailable, "ok"},
	} {
		got := new(guesttest.Host).Stream(t, func() int32 {
			return guest.OnStream(func(*guest.Emitter) error { return tt.err })
		})
		if got.Code != int32(tt.code) {
			t.Errorf("%s: code %d, want %d", tt.name, got.Code, tt.code)
		}
		var want []guesttest.Line
		if tt.log != "" {
			want = []guesttest.Line{{Level: abi.LogError, Text: tt.log}}
		}
		if !slices.Equal(got.Log, want) {
			t.Errorf("%s: log %v, want %v", tt.name, got.Log, want)
		}
	}
}

func TestOnEventResult(t *testing.T) {
	for _, tt := range []struct {
		name    string
		verdict guest.Verdict
		err     error
		code    int32
	}{
		{"pass", guest.Pass, nil, abi.EventPass},
		{"drop", guest.Drop, nil, abi.EventDrop},
		{"an error beats the verdict", guest.Pass, abi.Limit, int32(abi.Limit)},
	} {
		got := new(guesttest.Host).Event(t, func() int32 {
			return guest.OnEvent(func(*guest.Emitter, abi.Event) (guest.Verdict, error) {
				return tt.verdict, tt.err
			})
		}, abi.Event{Data: "x"})
		if got.Code != tt.code || got.Passed() != (tt.code == abi.EventPass) {
			t.Errorf("%s: code %d, want %d", tt.name, got.Code, tt.code)
		}
	}
}

func TestOnEventGivesTheWholeEvent(t *testing.T) {
	want := abi.Event{Data: strings.Repeat("long ", 10_000), Name: "n", ID: "e-7", Subject: "a.b", Seq: 7, Replayed: true}
	var got abi.Event
	result := new(guesttest.Host).Event(t, func() int32 {
		return guest.OnEvent(func(e *guest.Emitter, ev abi.Event) (guest.Verdict, error) {
			got = ev
			if err := e.Sleep(1); !errors.Is(err, abi.Unavailable) {
				t.Errorf("Sleep in onEvent: %v, want %v", err, abi.Unavailable)
			}
			return guest.Drop, e.Send("in its place")
		})
	}, want)
	if got != want {
		t.Errorf("got event %+v, want %+v", got, want)
	}
	if sent := []abi.Event{{Data: "in its place"}}; !slices.Equal(result.Sent, sent) || result.Passed() {
		t.Errorf("sent %v and passed is %v, want %v and false", result.Sent, result.Passed(), sent)
	}
}
