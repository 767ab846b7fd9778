package sse_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

func TestAppendEvent(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event abi.Event
		want  string
	}{
		{"data is one field", abi.Event{Data: "a"}, "data: a\n\n"},
		{"no data is one empty field", abi.Event{}, "data: \n\n"},
		{"each line is a field", abi.Event{Data: "a\nb"}, "data: a\ndata: b\n\n"},
		{"CR alone ends a line", abi.Event{Data: "a\rb"}, "data: a\ndata: b\n\n"},
		{"CRLF ends one line", abi.Event{Data: "a\r\nb"}, "data: a\ndata: b\n\n"},
		{"LF and CR end two lines", abi.Event{Data: "a\n\rb"}, "data: a\ndata: \ndata: b\n\n"},
		{"CR and CRLF end two lines", abi.Event{Data: "a\r\r\nb"}, "data: a\ndata: \ndata: b\n\n"},
		{"a line end at the end begins an empty line", abi.Event{Data: "a\n\n"}, "data: a\ndata: \ndata: \n\n"},
		{"a CRLF at the end begins one empty line", abi.Event{Data: "a\r\n"}, "data: a\ndata: \n\n"},
		{"a CR at the end begins one empty line", abi.Event{Data: "a\r"}, "data: a\ndata: \n\n"},
		{"line ends alone are empty lines", abi.Event{Data: "\n"}, "data: \ndata: \n\n"},
		{"a leading space is kept behind the format's own", abi.Event{Data: " a"}, "data:  a\n\n"},
		{"other line separators of Unicode are text", abi.Event{Data: "a\u2028b\u0085c\vd"}, "data: a\u2028b\u0085c\vd\n\n"},
		{"fields have their order",
			abi.Event{Data: "d", Name: "n", ID: "i", Retry: 1500 * time.Millisecond},
			"retry: 1500\nid: i\nevent: n\ndata: d\n\n"},
		{"an empty id is sent when it is set", abi.Event{EmptyID: true}, "id:\ndata: \n\n"},
		{"less than a millisecond is no retry", abi.Event{Retry: time.Microsecond}, "data: \n\n"},
		{"a negative retry is none", abi.Event{Retry: -time.Second}, "data: \n\n"},
		{"a retry of centuries is cut", abi.Event{Retry: 1 << 62}, "retry: 4294967295\ndata: \n\n"},
		{"line breaks in a name do not reach the wire", abi.Event{Name: "user\nEvent\r\nTest"}, "event: userEventTest\ndata: \n\n"},
		{"a name of line breaks is none", abi.Event{Name: "\r\n"}, "data: \n\n"},
		{"line breaks and NUL in an id do not reach the wire", abi.Event{ID: "1\ndata: x\r\x002"}, "id: 1data: x2\ndata: \n\n"},
		{"an id of line breaks does not empty the last one", abi.Event{ID: "\n\x00"}, "data: \n\n"},
		{"a NUL in a name is text", abi.Event{Name: "a\x00b"}, "event: a\x00b\ndata: \n\n"},
	} {
		got := string(sse.AppendEvent([]byte("kept\n"), &tt.event))
		if got != "kept\n"+tt.want {
			t.Errorf("%s: AppendEvent(%+v) = %q, want %q", tt.name, tt.event, got[len("kept\n"):], tt.want)
		}
		if n := sse.Size(&tt.event); n < len(tt.want) {
			t.Errorf("%s: Size(%+v) = %d, want at least %d", tt.name, tt.event, n, len(tt.want))
		}
	}
}

func TestSizeIsExactForWhatCheckAllowsWithoutCRAndRetry(t *testing.T) {
	for _, e := range []abi.Event{
		{},
		{Data: "a\n\nb\n", Name: "n", ID: "i"},
		{Data: strings.Repeat("line\n", 1000), EmptyID: true},
	} {
		if got, want := sse.Size(&e), len(sse.AppendEvent(nil, &e)); got != want {
			t.Errorf("Size(%+v) = %d, want %d", e, got, want)
		}
	}
}

func TestAppendBlocksWithoutData(t *testing.T) {
	for _, tt := range []struct{ name, got, want string }{
		{"a comment", string(sse.AppendComment(nil, "hi")), ": hi\n\n"},
		{"an empty comment", string(sse.AppendComment(nil, "")), ": \n\n"},
		{"each line of a comment is a comment", string(sse.AppendComment(nil, "a\n\ndata: b\rid: c\r\n")), ": a\n: \n: data: b\n: id: c\n: \n\n"},
		{"a retry", string(sse.AppendRetry(nil, 3*time.Second)), "retry: 3000\n\n"},
		{"a retry at once", string(sse.AppendRetry(nil, 0)), "retry: 0\n\n"},
		{"a negative retry is at once", string(sse.AppendRetry(nil, -1)), "retry: 0\n\n"},
		{"an id", string(sse.AppendID(nil, "e-1")), "id: e-1\n\n"},
		{"an empty id", string(sse.AppendID(nil, "")), "id:\n\n"},
		{"an id with a line break", string(sse.AppendID(nil, "1\n\ndata: x")), "id: 1data: x\n\n"},
		{"an id of line breaks does nothing", string(sse.AppendID(nil, "\r\n")), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %q, want %q", tt.name, tt.got, tt.want)
		}
		if events, err := readAll(tt.got, 0); len(events) != 0 || err != nil {
			t.Errorf("%s dispatches %+v, %v; want nothing", tt.name, events, err)
		}
	}
}

func TestAppendEventDoesNotAllocateWithRoom(t *testing.T) {
	e := abi.Event{Data: strings.Repeat("a line of text\r\n", 20), Name: "quote", ID: "kT4x9-12345", Retry: time.Second}
	buf := make([]byte, 0, sse.Size(&e))
	if n := testing.AllocsPerRun(100, func() { buf = sse.AppendEvent(buf[:0], &e) }); n != 0 {
		t.Errorf("AppendEvent allocates %v times, want 0", n)
	}
}
