package abi_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
)

func TestCheck(t *testing.T) {
	long := strings.Repeat("x", abi.MaxNameBytes)
	for _, tt := range []struct {
		name  string
		event abi.Event
		want  error
	}{
		{"an event with nothing in it", abi.Event{}, nil},
		{"data of the limit", abi.Event{Data: "12345678"}, nil},
		{"data of one more", abi.Event{Data: "123456789"}, abi.TooBig},
		{"the limit is in bytes", abi.Event{Data: "€€€"}, abi.TooBig},
		{"data with any line end and NUL", abi.Event{Data: "\r\n\r\n\x00"}, nil},
		{"data that is not UTF-8", abi.Event{Data: "a\xFF"}, abi.Invalid},
		{"data that ends within a rune", abi.Event{Data: "\xE2\x82"}, abi.Invalid},
		{"a name and an id of the limit", abi.Event{Name: long, ID: long}, nil},
		{"a name of one more", abi.Event{Name: long + "x"}, abi.TooBig},
		{"an id of one more", abi.Event{ID: long + "x"}, abi.TooBig},
		{"a name with LF", abi.Event{Name: "a\nb"}, abi.Invalid},
		{"a name with CR", abi.Event{Name: "a\r"}, abi.Invalid},
		{"a name with NUL", abi.Event{Name: "a\x00"}, nil},
		{"a name that is not UTF-8", abi.Event{Name: "\xC0\xAF"}, abi.Invalid},
		{"an id with LF", abi.Event{ID: "\n"}, abi.Invalid},
		{"an id with CR", abi.Event{ID: "\r1"}, abi.Invalid},
		{"an id with NUL", abi.Event{ID: "1\x00"}, abi.Invalid},
		{"an id that is not UTF-8", abi.Event{ID: "\xED\xA0\x80"}, abi.Invalid},
		{"other separators of Unicode end no line", abi.Event{Name: "a\u2028b", ID: "\u0085"}, nil},
	} {
		if err := tt.event.Check(8); err != tt.want {
			t.Errorf("%s: Check(8) = %v, want %v", tt.name, err, tt.want)
		}
	}
}
