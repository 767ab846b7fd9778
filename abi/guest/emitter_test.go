package guest_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

// stream runs f as an onStream callback.
func stream(t *testing.T, h *guesttest.Host, f func(e *guest.Emitter) error) *guesttest.Result {
	t.Helper()
	return h.Stream(t, func() int32 { return guest.OnStream(f) })
}

func TestCloseEndsTheStream(t *testing.T) {
	got := stream(t, &guesttest.Host{Events: []abi.Event{{Data: "unread"}}}, func(e *guest.Emitter) error {
		if e.IsClosed() {
			t.Error("closed before Close")
		}
		if err := errors.Join(e.Send("last"), e.Comment("bye"), e.Close()); err != nil {
			t.Error(err)
		}
		if !e.IsClosed() {
			t.Error("not closed after Close")
		}
		_, received := e.Receive(0)
		for what, err := range map[string]error{
			"Send": e.Send("late"), "Comment": e.Comment("late"), "Sleep": e.Sleep(time.Hour), "Receive": received,
		} {
			if !errors.Is(err, abi.Closed) {
				t.Errorf("%s after Close: %v, want %v", what, err, abi.Closed)
			}
		}
		return nil
	})
	want := &guesttest.Result{Sent: []abi.Event{{Data: "last"}}, Comments: []string{"bye"}, Closed: true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTheViewerLeaves(t *testing.T) {
	got := stream(t, &guesttest.Host{Leave: 2500 * time.Millisecond}, func(e *guest.Emitter) error {
		for {
			if err := e.Send(e.Now()); err != nil {
				return err
			}
			if err := e.Sleep(time.Second); err != nil {
				return err
			}
		}
	})
	if len(got.Sent) != 3 || got.Took != 2500*time.Millisecond || got.Code != 0 {
		t.Errorf("sent %d in %v with code %d, want 3 in 2.5s with 0", len(got.Sent), got.Took, got.Code)
	}
}

func TestReceive(t *testing.T) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Local()
	long := strings.Repeat("x", 100_000)
	h := &guesttest.Host{Events: []abi.Event{
		{Data: "at once", Subject: "a.b", Seq: 1, ID: "e-1"},
		{Data: "in a second", Time: start.Add(time.Second), Name: "n", Retry: time.Second},
		{Data: long},
	}}
	stream(t, h, func(e *guest.Emitter) error {
		for _, tt := range []struct {
			name    string
			timeout time.Duration
			want    abi.Event
			err     error
		}{
			{"an event that is there needs no wait", 0, h.Events[0], nil},
			{"one that is not there is a timeout", 0, abi.Event{}, abi.Timeout},
			{"also after a wait", 999 * time.Millisecond, abi.Event{}, abi.Timeout},
			{"less than a millisecond is one", time.Nanosecond, h.Events[1], nil},
			{"a long one makes the buffer grow", guest.Forever, h.Events[2], nil},
			{"after the last the stream ends", guest.Forever, abi.Event{}, abi.Closed},
		} {
			if got, err := e.Receive(tt.timeout); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%s: Receive(%v) = %.100v, %v, want %.100v, %v", tt.name, tt.timeout, got, err, tt.want, tt.err)
			}
		}
		return nil
	})
}

func TestRequestAndBody(t *testing.T) {
	want := abi.Request{
		Method: "POST", Path: "/a/1", Params: map[string]string{"id": "1"}, Query: map[string][]string{"q": {"x", "y"}},
		LastEventID: "e-1", Tenant: "acme", Route: "a",
		Principal: &abi.Principal{Subject: "ada", Claims: map[string]any{"long": strings.Repeat("x", 5000)}},
	}
	stream(t, &guesttest.Host{Request: want, Body: []byte("hello")}, func(e *guest.Emitter) error {
		if got, err := e.Request(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Request() = %+v, %v, want %+v", got, err, want)
		}
		first, err := e.Body()
		if err != nil {
			t.Error(err)
		}
		if _, err := e.Request(); err != nil {
			t.Error(err)
		}
		if string(first) != "hello" {
			t.Errorf("Body() became %q after another read, want hello", first)
		}
		return nil
	})
}

func TestPublish(t *testing.T) {
	got := stream(t, &guesttest.Host{}, func(e *guest.Emitter) error {
		if err := e.Publish("a.*", guest.Event{Data: 1}); !errors.Is(err, abi.Invalid) {
			t.Errorf("Publish to a pattern: %v, want %v", err, abi.Invalid)
		}
		return e.Publish("a.b", guest.Event{Data: 1, Name: "n", ID: "i"})
	})
	if want := []abi.Event{{Subject: "a.b", Data: "1", Name: "n", ID: "i"}}; !slices.Equal(got.Published, want) {
		t.Errorf("published %v, want %v", got.Published, want)
	}
}

func TestRandom(t *testing.T) {
	stream(t, &guesttest.Host{}, func(e *guest.Emitter) error {
		a, b := make([]byte, 16), make([]byte, 16)
		if err := errors.Join(e.Random(a), e.Random(b)); err != nil || bytes.Equal(a, b) {
			t.Errorf("Random gave %x and %x, %v", a, b, err)
		}
		return nil
	})
}
