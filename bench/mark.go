package bench

import (
	"bytes"
	"crypto/rand"
	"strconv"
)

// minPayload is how long a payload must be to hold a mark.
const minPayload = 64

// mark is what tells one event from all others: ~RUN, the publisher, its number there and when it was
// to be published, in nanoseconds since the run's beginning.
type mark struct {
	publisher int
	number    uint64
	at        int64
}

// marks are those of one run. Others that the stream may hold, of other runs or of what was only to
// warm up, are not counted.
type marks struct{ counted, warming string }

func newMarks() marks {
	run := "~" + rand.Text()[:8]
	return marks{counted: run + "S", warming: run + "W"}
}

// stamp appends the beginning of a payload: prefix and what tells this event.
type stamp struct {
	prefix string
	mark
}

func (ms marks) count(publisher int, number uint64) stamp {
	return stamp{ms.counted, mark{publisher: publisher, number: number}}
}

func (ms marks) warm(publisher int) stamp {
	return stamp{ms.warming, mark{publisher: publisher}}
}

// append appends a payload of size bytes to b.
func (s stamp) append(b []byte, at int64, size int) []byte {
	end := len(b) + size
	b = append(b, s.prefix...)
	b = append(strconv.AppendInt(b, int64(s.publisher), 10), '.')
	b = append(strconv.AppendUint(b, s.number, 10), '.')
	b = append(strconv.AppendInt(b, at, 10), '.')
	for len(b) < end {
		b = append(b, 'x')
	}
	return b
}

// next finds the first counted mark in data, and what comes after it. Some servers put several
// events into one line.
func (ms marks) next(data []byte) (m mark, rest []byte, ok bool) {
	for {
		i := bytes.Index(data, []byte(ms.counted))
		if i < 0 {
			return mark{}, nil, false
		}
		data = data[i+len(ms.counted):]
		publisher, after, ok1 := field(data)
		number, after, ok2 := field(after)
		at, after, ok3 := field(after)
		if ok1 && ok2 && ok3 {
			return mark{int(publisher), number, int64(at)}, after, true
		}
	}
}

// field reads digits up to a dot.
func field(b []byte) (n uint64, rest []byte, ok bool) {
	for i, ch := range b {
		if ch == '.' {
			return n, b[i+1:], i > 0
		}
		if ch < '0' || ch > '9' || i > 18 {
			return 0, nil, false
		}
		n = n*10 + uint64(ch-'0')
	}
	return 0, nil, false
}
