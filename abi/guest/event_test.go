package guest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

type color string

type celsius float64

func (c celsius) String() string { return fmt.Sprintf("%g degrees", float64(c)) }

func TestDataBecomesText(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.FixedZone("", 3600))
	for _, tt := range []struct {
		name string
		data any
		want string
	}{
		{"a string is itself", `say "hi" <b>`, `say "hi" <b>`},
		{"a string of JSON too", `"quoted"`, `"quoted"`},
		{"bytes are text", []byte("bytes"), "bytes"},
		{"an error is its text", abi.Closed, "stream has ended"},
		{"a bool", true, "true"},
		{"an int", -42, "-42"},
		{"the largest uint64", uint64(math.MaxUint64), "18446744073709551615"},
		{"a float without exponent", 21.5, "21.5"},
		{"a time is RFC 3339", noon, "2026-03-01T12:00:00.005+01:00"},
		{"a named string is text", color("deep red"), "deep red"},
		{"a String method does not count", celsius(20), "20"},
		{"what marshals to text has no quotes", netip.MustParseAddr("::1"), "::1"},
		{"nil is null", nil, "null"},
		{"a struct is JSON", struct {
			A string `json:"a"`
			B int    `json:"b"`
		}{"<&>", 2}, `{"a":"<&>","b":2}`},
		{"a pointer is what it points to", &[]int{1, 2}, "[1,2]"},
		{"a map has its keys in order", map[string]any{"b": nil, "a": 1.5}, `{"a":1.5,"b":null}`},
		{"raw JSON stays as it is", json.RawMessage(`"raw" `), `"raw" `},
		{"nothing is an empty event", "", ""},
	} {
		got := new(guesttest.Host).Stream(t, func() int32 {
			return guest.OnStream(func(e *guest.Emitter) error { return e.Send(tt.data) })
		})
		if got.Code != 0 || len(got.Sent) != 1 || got.Sent[0] != (abi.Event{Data: tt.want}) {
			t.Errorf("%s: Send(%v) sent %+v with code %d, want %q", tt.name, tt.data, got.Sent, got.Code, tt.want)
		}
	}
}

func TestEventsThatCannotBeSent(t *testing.T) {
	for _, tt := range []struct {
		name string
		ev   guest.Event
		want abi.Status
	}{
		{"JSON holds no functions", guest.Event{Data: func() {}}, abi.Invalid},
		{"nor infinity", guest.Event{Data: math.Inf(1)}, abi.Invalid},
		{"bytes that are not UTF-8", guest.Event{Data: []byte{0xff}}, abi.Invalid},
		{"a line break in the name", guest.Event{Name: "a\nb"}, abi.Invalid},
		{"a NUL in the id", guest.Event{ID: "a\x00"}, abi.Invalid},
		{"too much", guest.Event{Data: strings.Repeat("x", abi.MaxSendBytes+1)}, abi.TooBig},
	} {
		got := new(guesttest.Host).Stream(t, func() int32 {
			return guest.OnStream(func(e *guest.Emitter) error {
				for what, err := range map[string]error{"SendEvent": e.SendEvent(tt.ev), "Publish": e.Publish("a.b", tt.ev)} {
					if !errors.Is(err, tt.want) {
						t.Errorf("%s: %s: %v, want %v", tt.name, what, err, tt.want)
					}
				}
				return nil
			})
		})
		if len(got.Sent)+len(got.Published) > 0 {
			t.Errorf("%s: sent %v, published %v", tt.name, got.Sent, got.Published)
		}
	}
}
