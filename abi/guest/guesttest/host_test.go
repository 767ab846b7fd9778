package guesttest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestTheViewerLeavesAfterADayAtLast(t *testing.T) {
	got := new(guesttest.Host).Stream(t, func() int32 {
		return guest.OnStream(func(e *guest.Emitter) error {
			for !e.IsClosed() {
				time.Sleep(time.Minute) // Go's own time is the host's
			}
			return nil
		})
	})
	if got.Took != 24*time.Hour {
		t.Errorf("took %v, want 24h", got.Took)
	}
}

func TestTimeGoesOnFromCallToCall(t *testing.T) {
	h := &guesttest.Host{}
	now := func() (now time.Time) {
		h.Stream(t, func() int32 {
			return guest.OnStream(func(e *guest.Emitter) error {
				now = e.Now()
				if now != time.Now().Round(0) {
					t.Errorf("Now is %v, time.Now %v", now, time.Now())
				}
				return e.Sleep(2 * time.Second)
			})
		})
		return now.UTC()
	}
	if first := now(); first != time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) {
		t.Errorf("the first call begins at %v", first)
	}
	h.Wait(time.Second)
	if second := now(); second != time.Date(2000, 1, 1, 0, 0, 3, 0, time.UTC) {
		t.Errorf("the second call begins at %v", second)
	}
}

func TestBadComments(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       abi.Status
	}{
		{"not UTF-8", "\xff", abi.Invalid},
		{"too long", strings.Repeat("x", abi.MaxSendBytes+1), abi.TooBig},
	} {
		got := new(guesttest.Host).Stream(t, func() int32 {
			return guest.OnStream(func(e *guest.Emitter) error {
				if err := e.Comment(tt.text); !errors.Is(err, tt.want) {
					t.Errorf("%s: Comment: %v, want %v", tt.name, err, tt.want)
				}
				return nil
			})
		})
		if len(got.Comments) > 0 {
			t.Errorf("%s: kept %d comments", tt.name, len(got.Comments))
		}
	}
}

// TestParallelTestsTakeTurns has hosts whose callbacks would see one another's requests, and race,
// if they ran at once.
func TestParallelTestsTakeTurns(t *testing.T) {
	for _, route := range []string{"a", "b", "c", "d"} {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			h := &guesttest.Host{Request: abi.Request{Route: route}}
			got := h.Stream(t, func() int32 {
				return guest.OnStream(func(e *guest.Emitter) error {
					for range 20 {
						req, err := e.Request()
						if err != nil || req.Route != route {
							t.Errorf("got the request of %q, %v, want that of %q", req.Route, err, route)
						}
						if err := errors.Join(e.Send(req.Route), e.Sleep(time.Millisecond)); err != nil {
							return err
						}
					}
					return nil
				})
			})
			if len(got.Sent) != 20 {
				t.Errorf("sent %d, want 20", len(got.Sent))
			}
		})
	}
}

func TestACallbackWithoutHostSaysSo(t *testing.T) {
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, "guesttest") {
			t.Errorf("panics with %q, want a hint", text)
		}
	}()
	guest.OnStream(func(e *guest.Emitter) error { return e.Send("x") })
}
