package sse_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

// TestParserFollowsTheStandard has a case for each rule of section 9.2.5 and 9.2.6 of the HTML
// standard, its examples, and the format tests of web-platform-tests. Each stream is read whole, a
// byte at a time, and by the reference parser.
func TestParserFollowsTheStandard(t *testing.T) {
	type events = []abi.Event
	data := func(texts ...string) (all events) {
		for _, text := range texts {
			all = append(all, abi.Event{Data: text})
		}
		return all
	}
	for _, tt := range []struct {
		name, stream string
		want         events
		lastID       string
	}{
		{"a blank line dispatches", "data: a\n\n", data("a"), ""},
		{"no data dispatches nothing", "event: a\n\n\n\n", nil, ""},
		{"an empty stream has no events", "", nil, ""},
		{"lines end with LF, CR or CRLF", "data:a\rdata:b\ndata:c\r\ndata:d\r\r\n", data("a\nb\nc\nd"), ""},
		{"CR and then LF is one line end", "data:a\r\ndata:b\r\n\r\n", data("a\nb"), ""},
		{"LF and then CR is two", "data:a\n\rdata:b\n\n", data("a", "b"), ""},
		{"one space behind the colon goes", "data: a\n\ndata:b\n\ndata:  c \n\n", data("a", "b", " c "), ""},
		{"other white space stays", "data:\ta\n\ndata:\u00a0b\n\n", data("\ta", "\u00a0b"), ""},
		{"white space before the colon makes another field", "data : a\ndata\t:b\n data:c\n\n", nil, ""},
		{"only the first colon counts", "data: a:b: c\n\n", data("a:b: c"), ""},
		{"a field without colon has an empty value", "data\n\ndata\ndata\n\n", data("", "\n"), ""},
		{"a data field with colon and no value is empty", "data:\n\n", data(""), ""},
		{"empty data lines are kept", "data:a\ndata:\ndata:\n\n", data("a\n\n"), ""},
		{"a line that begins with a colon is a comment", ":data: a\n:\n: b\n\ndata: c\n:d\ndata: e\n\n", data("c\ne"), ""},
		{"unknown fields are ignored", "dat: a\ndatas: b\nretries: 5\nx\n\ndata: c\n\n", data("c"), ""},
		{"field names are case-sensitive", "DATA: a\nData: b\nID: 1\nEvent: e\nRetry: 5\ndata: c\n\n", data("c"), ""},
		{"a NUL in a field name makes another field", "da\x00ta: a\ndata\x00: b\ndata: c\n\n", data("c"), ""},
		{"a NUL in data is text", "data: a\x00b\n\n", data("a\x00b"), ""},
		{"other separators of Unicode end no line", "data: a\u2028b\u2029c\u0085d\v\fe\n\n", data("a\u2028b\u2029c\u0085d\v\fe"), ""},
		{"an unfinished block is dropped", "data: a\n\ndata: b\n", data("a"), ""},
		{"an unfinished line is dropped", "data: a\n\ndata: b", data("a"), ""},
		{"an unfinished block leaves the last id", "id: 1\ndata: a\n\nid: 2\ndata: b\n", events{{Data: "a", ID: "1"}}, "1"},

		{"the name is the event's type", "event: add\ndata: a\n\n", events{{Name: "add", Data: "a"}}, ""},
		{"the last name counts", "event: a\nevent: b\ndata: c\n\n", events{{Name: "b", Data: "c"}}, ""},
		{"a name holds for one block", "event: a\ndata: b\n\ndata: c\n\n", events{{Name: "a", Data: "b"}, {Data: "c"}}, ""},
		{"a name of a block without data is forgotten", "event: a\n\ndata: b\n\n", data("b"), ""},
		{"an empty name is none", "event: a\nevent:\ndata: b\n\n", data("b"), ""},
		{"one space before a name goes", "event:  a\ndata: b\n\n", events{{Name: " a", Data: "b"}}, ""},

		{"an id is the last id from there on", "id: 1\ndata: a\n\ndata: b\n\n", events{{ID: "1", Data: "a"}, {Data: "b"}}, "1"},
		{"the last id field counts", "id: 1\nid: 2\ndata: a\n\n", events{{ID: "2", Data: "a"}}, "2"},
		{"an empty id empties the last id", "id: 1\ndata: a\n\nid:\ndata: b\n\n", events{{ID: "1", Data: "a"}, {EmptyID: true, Data: "b"}}, ""},
		{"an id without colon empties the last id", "id: 1\n\nid\ndata: b\n\n", events{{EmptyID: true, Data: "b"}}, ""},
		{"an id after an empty one counts", "id\nid: 2\ndata: b\n\n", events{{ID: "2", Data: "b"}}, "2"},
		{"an empty id after one counts", "id: 2\nid\ndata: b\n\n", events{{EmptyID: true, Data: "b"}}, ""},
		{"an id with a NUL is ignored", "id: 1\nid: 2\x00\nid: \x00\ndata: a\n\n", events{{ID: "1", Data: "a"}}, "1"},
		{"a block without data sets the last id", "id: 1\n\n", nil, "1"},
		{"an id may have spaces and text of any language", "id:  ä 1 \ndata\n\n", events{{ID: " ä 1 "}}, " ä 1 "},

		{"a retry is in milliseconds", "retry: 1500\ndata\n\n", events{{Retry: 1500 * time.Millisecond}}, ""},
		{"the last retry counts", "retry: 1\nretry: 002\ndata\n\n", events{{Retry: 2 * time.Millisecond}}, ""},
		{"a retry with anything but digits is ignored",
			"retry: 5\nretry: 1000x\nretry: -1\nretry: +1\nretry: 1.5\nretry:  7\nretry: 8 \nretry: 1e3\nretry: ٣\nretry:\nretry\ndata\n\n",
			events{{Retry: 5 * time.Millisecond}}, ""},
		{"a huge retry is the longest", "retry: 99999999999999999999999999\ndata\n\n", events{{Retry: 4294967295 * time.Millisecond}}, ""},
		{"a retry holds for its block", "retry: 5\ndata: a\n\ndata: b\n\n", events{{Data: "a", Retry: 5 * time.Millisecond}, {Data: "b"}}, ""},

		{"one byte order mark goes", "\uFEFFdata: a\n\n", data("a"), ""},
		{"a second byte order mark is part of a field name", "\uFEFF\uFEFFdata: a\ndata: b\n\n", data("b"), ""},
		{"a byte order mark later is text", "data: a\n\n\uFEFFdata: b\n\ndata: \uFEFFc\n\n", data("a", "\uFEFFc"), ""},
		{"a byte order mark alone is no line", "\uFEFF", nil, ""},
		{"a byte order mark may stand before a blank line", "\uFEFF\n\uFEFFdata:a\n\n", nil, ""},
		{"half a byte order mark is part of a field name", "\xEF\xBBdata: a\ndata: b\n\n", data("b"), ""},

		{"a byte that is not UTF-8 is one U+FFFD", "data: a\xFFb\xC0\xAFc\n\n", data("a\uFFFDb\uFFFD\uFFFDc"), ""},
		{"a sequence that is cut short is one U+FFFD", "data: \xE2\x82a\xF0\x9F\x98\n\n", data("\uFFFDa\uFFFD"), ""},
		{"the third byte has no bounds of the first", "data: \xF0\x90\x80a\xF4\x8F\xBFb\n\n", data("\uFFFDa\uFFFDb"), ""},
		{"a line end within a sequence ends the line", "data: \xE2\x82\ndata: \x82\n\n", data("\uFFFD\n\uFFFD"), ""},
		{"a surrogate is three U+FFFD", "data: \xED\xA0\x80\n\n", data("\uFFFD\uFFFD\uFFFD"), ""},
		{"an overlong sequence is one U+FFFD for each byte", "data: \xE0\x80\x80\xF0\x80\x80\x80\n\n", data("\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"), ""},
		{"a rune past the last is one U+FFFD for each byte", "data: \xF4\x90\x80\x80\xF5\n\n", data("\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"), ""},
		{"a sequence of two that is cut short is one U+FFFD", "data: \xC3\xC3(\n\n", data("\uFFFD\uFFFD("), ""},
		{"a sequence within a sequence starts over", "data: \xF0\x9F\xE2\x82\xAC\n\n", data("\uFFFD€"), ""},
		{"U+FFFD itself stays", "data: \uFFFD\n\n", data("\uFFFD"), ""},
		{"a name and an id are decoded too", "event: \xFF\nid: \xE2\x82\ndata\n\n", events{{Name: "\uFFFD", ID: "\uFFFD"}}, "\uFFFD"},
		{"a field name is decoded too", "data\xFF: a\n\xFFdata: b\ndata: c\n\n", data("c"), ""},

		{"the standard's stock example", "data: YHOO\ndata: +2\ndata: 10\n\n", data("YHOO\n+2\n10"), ""},
		{"the standard's example of ids",
			": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
			events{{Data: "first event", ID: "1"}, {Data: "second event", EmptyID: true}, {Data: " third event"}}, ""},
		{"the standard's example of empty data", "data\n\ndata\ndata\n\ndata:", data("", "\n"), ""},
		{"the standard's example of a space", "data:test\n\ndata: test\n\n", data("test", "test"), ""},
		{"wpt format-field-parsing",
			"data:\x00\ndata:  2\rData:1\ndata\x00:2\ndata:1\r\x00data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
			data("\x00\n 2\n1\n3\n\n4"), ""},
		{"wpt format-newlines", "data:test\r\ndata\ndata:test\r\n\r", data("test\n\ntest"), ""},
		{"wpt format-null-character", "data:\x00\n\n\n\n", data("\x00"), ""},
		{"wpt format-utf-8", "data:ok…\n\n", data("ok…"), ""},
		{"wpt format-comments", "data:1\r:\x00\n:\r\ndata:2\n:xxxxxxxxxxxx\rdata:3\n:data:fail\r:xxxxxxxx\ndata:4\n\n", data("1\n2\n3\n4"), ""},
	} {
		for reading, got := range map[string]outcome{
			"whole":              parse(0, []byte(tt.stream)),
			"a byte at a time":   parse(0, everyByte(tt.stream)...),
			"by the reference":   reference([]byte(tt.stream)),
			"after empty pieces": parse(0, nil, []byte{}, []byte(tt.stream), nil),
		} {
			if got.err != nil || !reflect.DeepEqual(got.events, tt.want) || got.lastID != tt.lastID {
				t.Errorf("%s, %s:\n%q\ngives %+v, last id %q, %v\n want %+v, last id %q",
					tt.name, reading, tt.stream, got.events, got.lastID, got.err, tt.want, tt.lastID)
			}
		}
	}
}

// outcome is all that a stream says.
type outcome struct {
	events   []abi.Event
	others   []abi.Event // of blocks that dispatch nothing
	lastID   string
	retry    time.Duration
	hasRetry bool
	err      error
}

func (o *outcome) add(b sse.Block) {
	if b.Dispatch {
		o.events = append(o.events, b.Event)
	} else {
		o.others = append(o.others, b.Event)
	}
}

// parse feeds pieces to a Parser. It overwrites each piece once the parser is done with it.
func parse(maxBytes int, pieces ...[]byte) (o outcome) {
	p := sse.NewParser(maxBytes)
	for _, piece := range pieces {
		p.Feed(piece)
		for {
			b, ok, err := p.Next()
			if o.err = err; !ok {
				break
			}
			o.add(b)
		}
		for i := range piece {
			piece[i] = '!'
		}
	}
	o.lastID = p.LastEventID()
	o.retry, o.hasRetry = p.Retry()
	return o
}

func everyByte(s string) (pieces [][]byte) {
	for i := range len(s) {
		pieces = append(pieces, []byte{s[i]})
	}
	return pieces
}

func TestParserTellsOfBlocksWithoutData(t *testing.T) {
	p := sse.NewParser(0)
	p.Feed([]byte("id: 1\nevent: e\n\n: c\n\nevent: f\n\nretry: 0\n\nid\nretry: x\n\ndata\n\n"))
	for _, want := range []sse.Block{
		{Event: abi.Event{ID: "1"}},
		{Event: abi.Event{}}, // retry: 0
		{Event: abi.Event{EmptyID: true}},
		{Dispatch: true},
	} {
		if b, ok, err := p.Next(); b != want || !ok || err != nil {
			t.Errorf("Next() = %+v, %v, %v; want %+v", b, ok, err, want)
		}
	}
	if b, ok, err := p.Next(); ok || err != nil {
		t.Errorf("Next() = %+v, %v, %v; want no more", b, ok, err)
	}
	if d, ok := p.Retry(); d != 0 || !ok {
		t.Errorf("Retry() = %v, %v; want 0, true", d, ok)
	}
}

func TestParserTakesAnIDAtTheBlocksEndAndARetryAtItsLine(t *testing.T) {
	p := sse.NewParser(0)
	feed := func(piece string) {
		p.Feed([]byte(piece))
		if b, ok, err := p.Next(); ok || err != nil {
			t.Fatalf("Next() after %q = %+v, %v, %v; want no block", piece, b, ok, err)
		}
	}
	feed("retry: 7")
	if _, ok := p.Retry(); ok {
		t.Error("an unfinished line has set the retry time")
	}
	feed("\nid: 1\ndata: a\n")
	if d, ok := p.Retry(); d != 7*time.Millisecond || !ok {
		t.Errorf("Retry() in the block = %v, %v; want 7ms, true", d, ok)
	}
	if id := p.LastEventID(); id != "" {
		t.Errorf("LastEventID() in the block = %q, want none yet", id)
	}
	p.Feed([]byte("\n"))
	if b, ok, err := p.Next(); b.ID != "1" || !ok || err != nil || p.LastEventID() != "1" {
		t.Errorf("Next() = %+v, %v, %v, then LastEventID() = %q; want 1", b, ok, err, p.LastEventID())
	}
}

func TestParserEndsAtItsLimit(t *testing.T) {
	p := sse.NewParser(3)
	p.Feed([]byte("data: abc\n\ndata: abcd\n\ndata: e\n\n"))
	if b, ok, err := p.Next(); b.Data != "abc" || !ok || err != nil {
		t.Errorf("Next() = %+v, %v, %v; want abc", b, ok, err)
	}
	for range 2 {
		var tooBig *sse.TooBigError
		if b, ok, err := p.Next(); ok || !errors.As(err, &tooBig) || tooBig.Limit != 3 {
			t.Errorf("Next() = %+v, %v, %v; want a TooBigError with limit 3", b, ok, err)
		}
		p.Feed([]byte("data: f\n\n"))
	}
}

func TestParserBoundsALineCutInPieces(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  string
		ok   bool
	}{
		{"a line of the limit and the longest field name", "34567890\n\n", true},
		{"a line of one more", "345678901\n\n", false},
		{"a line of one more that does not end", "345678901", false},
	} {
		got := parse(3, []byte("12"), []byte(tt.end))
		if ok := got.err == nil; ok != tt.ok {
			t.Errorf("%s: %v, want ok = %v", tt.name, got.err, tt.ok)
		}
		if !tt.ok && got.err.Error() != "event is over the limit of 3 bytes" {
			t.Errorf("%s: the error does not tell the limit: %v", tt.name, got.err)
		}
	}
}

func TestFeedPanicsWhenItWouldLoseBytes(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Feed did not panic")
		}
	}()
	p := sse.NewParser(0)
	p.Feed([]byte("data: a\n\n"))
	p.Feed([]byte("data: b\n\n"))
}

// brief is o for a message that must not be megabytes long.
func brief(o outcome) string {
	s := fmt.Sprintf("%+q", fmt.Sprintf("%+v", o))
	return s[:min(len(s), 2000)]
}
