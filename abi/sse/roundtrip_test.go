package sse_test

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

// TestParserGivesBackWhatWasSent holds for every event that can be sent with LF line ends, in a
// stream with everything else that can be sent, cut anywhere.
func TestParserGivesBackWhatWasSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		var want outcome
		for range rapid.IntRange(0, 8).Draw(t, "blocks") {
			stream = appendAny(t, stream, &want)
		}
		cuts := rapid.SliceOf(rapid.IntRange(0, len(stream))).Draw(t, "cuts")
		for reading, got := range map[string]outcome{
			"whole":            parse(0, bytes.Clone(stream)),
			"cut":              parse(0, cutAt(stream, cuts)...),
			"a byte at a time": parse(0, everyByte(string(stream))...),
			"by the reference": reference(stream),
			"with a BOM":       parse(0, append([]byte("\uFEFF"), stream...)),
		} {
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: %q gives\n%+v, want\n%+v", reading, stream, got, want)
			}
		}
	})
}

// appendAny appends an event, or a block without data, and adds to want what it says.
func appendAny(t *rapid.T, stream []byte, want *outcome) []byte {
	retry := func() time.Duration {
		return time.Duration(rapid.Uint32().Draw(t, "retry")) * time.Millisecond
	}
	switch rapid.SampledFrom([]string{"event", "event", "event", "comment", "id", "retry"}).Draw(t, "block") {
	case "comment":
		return sse.AppendComment(stream, text("", "\r", "\n", "\x00", "data: x").Draw(t, "comment"))
	case "id":
		id := text("\r\n\x00").Draw(t, "id")
		want.lastID = id
		want.others = append(want.others, abi.Event{ID: id, EmptyID: id == ""})
		return sse.AppendID(stream, id)
	case "retry":
		want.retry, want.hasRetry = retry(), true
		want.others = append(want.others, abi.Event{Retry: want.retry})
		return sse.AppendRetry(stream, want.retry)
	}
	e := abi.Event{Data: text("\r", "\n", "\n", "\x00").Draw(t, "data"), Name: text("\r\n", "\x00").Draw(t, "name")}
	if rapid.Bool().Draw(t, "has id") {
		e.ID = text("\r\n\x00").Draw(t, "id")
		e.EmptyID = e.ID == ""
		want.lastID = e.ID
	}
	if rapid.Bool().Draw(t, "has retry") {
		e.Retry = retry()
	}
	if e.Retry > 0 {
		want.retry, want.hasRetry = e.Retry, true
	}
	if err := e.Check(abi.MaxSendBytes); err != nil {
		t.Skip("an event that cannot be sent: ", err)
	}
	want.events = append(want.events, e)
	return sse.AppendEvent(stream, &e)
}

// text draws text of runes, and of parts that the format has a meaning for, without those of the
// set without.
func text(without string, parts ...string) *rapid.Generator[string] {
	parts = append(parts, " ", ":", "data", "id: ", "event:", "\uFEFF", "\uFFFD", "\u2028", "€", "😀", "0")
	part := rapid.OneOf(rapid.SampledFrom(parts), rapid.String())
	return rapid.Custom(func(t *rapid.T) string {
		s := strings.Join(rapid.SliceOfN(part, 0, 12).Draw(t, "parts"), "")
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(without, r) {
				return -1
			}
			return r
		}, s)
	})
}

// cutAt returns copies of the pieces of stream between the cuts, which need no order.
func cutAt(stream []byte, cuts []int) (pieces [][]byte) {
	isCut := make([]bool, len(stream)+1)
	for _, cut := range cuts {
		isCut[cut] = true
	}
	start := 0
	for i := range stream {
		if isCut[i] {
			pieces = append(pieces, bytes.Clone(stream[start:i]))
			start = i
		}
	}
	return append(pieces, bytes.Clone(stream[start:]))
}

// pieces reads as from a network that cuts where it likes.
type pieces struct {
	rest []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(p.size, len(b))], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// TestParserReadsAMegabyteInOnePiece would take minutes if the search for one kind of line end began
// anew at each of another kind.
func TestParserReadsAMegabyteInOnePiece(t *testing.T) {
	for _, end := range []string{"\n", "\r", "\r\n"} {
		stream := strings.Repeat("data:"+end, 1<<20/(len("data:")+len(end))) + end + strings.Repeat(end, 1<<20)
		if got, want := parse(0, []byte(stream)), reference([]byte(stream)); !reflect.DeepEqual(got, want) {
			t.Errorf("line ends of %q: %s, want %s", end, brief(got), brief(want))
		}
	}
}

// lineEnds makes every line end an LF, as sending data does.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

func TestMegabytesArriveAsTheyWereSent(t *testing.T) {
	const size = abi.MaxSendBytes
	for _, tt := range []struct{ name, data string }{
		{"one line", strings.Repeat("x", size)},
		{"runes that pieces cut", strings.Repeat("😀€ä", size/9)},
		{"nothing but LF", strings.Repeat("\n", size)},
		{"nothing but CR", strings.Repeat("\r", size)},
		{"nothing but CRLF", strings.Repeat("\r\n", size/2)},
		{"short lines", strings.Repeat("data: 1\n", size/8)},
		{"nothing but NUL", strings.Repeat("\x00", size)},
		{"nothing but colons", strings.Repeat(":", size)},
	} {
		e := abi.Event{Data: tt.data, ID: "last"}
		stream := sse.AppendEvent(nil, &e)
		for reading, src := range map[string]io.Reader{
			"whole":     bytes.NewReader(stream),
			"in pieces": &pieces{rest: stream, size: 997},
		} {
			events, err := drain(sse.NewReader(src, size))
			if err != nil || len(events) != 1 {
				t.Errorf("%s, %s: %d events, %v; want 1", tt.name, reading, len(events), err)
			} else if got := events[0]; got.Data != lineEnds.Replace(tt.data) || got.ID != "last" {
				t.Errorf("%s, %s: data of %d bytes and id %q differ from what was sent", tt.name, reading, len(got.Data), got.ID)
			}
		}
	}
}
