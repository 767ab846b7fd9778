package sse

import (
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
)

// Size is an upper bound of the bytes that AppendEvent appends. It is exact for an event without
// Retry whose data has no CR and whose name and id pass Check.
func Size(e *abi.Event) int {
	ends := strings.Count(e.Data, "\n") + strings.Count(e.Data, "\r")
	n := len("data: ")*(ends+1) + len(e.Data) + len("\n\n")
	if e.Retry > 0 {
		n += len("retry: 4294967295\n")
	}
	switch {
	case e.ID != "":
		n += len("id: \n") + len(e.ID)
	case e.EmptyID:
		n += len("id:\n")
	}
	if e.Name != "" {
		n += len("event: \n") + len(e.Name)
	}
	return n
}

// AppendEvent appends e as one block: retry, id, event, a data field for each line, a blank line.
// It allocates only if dst has less than Size(e) bytes of room.
//
// LF, CR and CRLF in data each end a line. A line break in the name or id, or a NUL in the id, is
// left out: Check refuses such an event, and this is the last wall before the wire.
func AppendEvent(dst []byte, e *abi.Event) []byte {
	if e.Retry >= time.Millisecond {
		dst = appendRetry(dst, e.Retry)
	}
	switch {
	case e.ID != "":
		dst = appendID(dst, e.ID)
	case e.EmptyID:
		dst = append(dst, "id:\n"...)
	}
	dst = appendName(dst, e.Name)
	dst = appendLines(dst, "data: ", e.Data)
	return append(dst, '\n')
}

// AppendComment appends text as a block of comments, one for each line. It dispatches nothing. The
// blank line at its end is for clients that cut the stream at blank lines instead of parsing it:
// without it they take comment and next event for one.
func AppendComment(dst []byte, text string) []byte {
	dst = appendLines(dst, ": ", text)
	return append(dst, '\n')
}

// AppendRetry appends a block that sets how long clients wait before they reconnect, in whole
// milliseconds from 0 to 2³²-1. It dispatches nothing.
func AppendRetry(dst []byte, d time.Duration) []byte {
	dst = appendRetry(dst, d)
	return append(dst, '\n')
}

// AppendID appends a block that sets the client's last event id, to empty if id is. It dispatches
// nothing. Line breaks and NUL are left out; an id of nothing else appends nothing.
func AppendID(dst []byte, id string) []byte {
	if id == "" {
		return append(dst, "id:\n\n"...)
	}
	before := len(dst)
	if dst = appendID(dst, id); len(dst) == before {
		return dst
	}
	return append(dst, '\n')
}

func appendRetry(dst []byte, d time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, min(max(d.Milliseconds(), 0), maxRetry), 10)
	return append(dst, '\n')
}

// appendID appends the field for an id that is not empty, or nothing if nothing of it can be sent:
// an empty field would forget the client's place.
func appendID(dst []byte, id string) []byte {
	if id = without(id, "\r\n\x00"); id == "" {
		return dst
	}
	dst = append(dst, "id: "...)
	dst = append(dst, id...)
	return append(dst, '\n')
}

func appendName(dst []byte, name string) []byte {
	if name = without(name, "\r\n"); name == "" {
		return dst
	}
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	return append(dst, '\n')
}

// without returns s with no byte of the ASCII set, and s itself if it has none.
func without(s, set string) string {
	for i := range len(set) {
		s = strings.ReplaceAll(s, set[i:i+1], "")
	}
	return s
}

// appendLines appends each line of text behind prefix. The last line is what follows the last line
// end, so that "a\n" has two. The next LF and the next CR are each searched for only when the one
// before is used up, which reads every byte twice, fast, whatever the mix of line ends.
func appendLines(dst []byte, prefix, text string) []byte {
	lf, cr := -1, -1
	for start := 0; ; {
		lf, cr = indexFrom(text, '\n', start, lf), indexFrom(text, '\r', start, cr)
		end := min(lf, cr)
		dst = append(dst, prefix...)
		dst = append(dst, text[start:end]...)
		dst = append(dst, '\n')
		if end == len(text) {
			return dst
		}
		start = end + 1
		if end == cr && start < len(text) && text[start] == '\n' {
			start++
		}
	}
}

// indexFrom returns the index of the first c in text at start or later, or text's length. known is
// the index that it returned for an earlier start, or -1.
func indexFrom(text string, c byte, start, known int) int {
	if known >= start {
		return known
	}
	if i := strings.IndexByte(text[start:], c); i >= 0 {
		return start + i
	}
	return len(text)
}
