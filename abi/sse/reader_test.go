package sse_test

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

// readAll returns the events of a whole stream. The end of the stream is no error.
func readAll(stream string, maxBytes int) ([]abi.Event, error) {
	return drain(sse.NewReader(strings.NewReader(stream), maxBytes))
}

func drain(r *sse.Reader) ([]abi.Event, error) {
	var events []abi.Event
	for {
		e, err := r.Next()
		if err == io.EOF {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
}

func TestReaderGivesAnEventOnceItsLastByteIsThere(t *testing.T) {
	for _, tt := range []struct{ name, stream string }{
		{"LF", "data: a\n\n"},
		{"CR, without waiting for an LF", "data: a\r\r"},
		{"CRLF, without waiting for the last LF", "data: a\r\n\r"},
	} {
		tooFar := iotest.ErrReader(errors.New("read on"))
		e, err := sse.NewReader(io.MultiReader(strings.NewReader(tt.stream), tooFar), 0).Next()
		if e.Data != "a" || err != nil {
			t.Errorf("%s: Next() = %+v, %v; want data a", tt.name, e, err)
		}
	}
}

func TestReaderTellsWhatAReconnectNeeds(t *testing.T) {
	r := sse.NewReader(strings.NewReader("data: a\n\nid: 1\nretry: 20\n\nid: 2\n\ndata: b\n\nid: 3\ndata: c\n"), 0)
	if _, err := r.Next(); err != nil || r.LastEventID() != "" {
		t.Errorf("after the first event the id is %q, %v; want none", r.LastEventID(), err)
	}
	if d, ok := r.Retry(); ok {
		t.Errorf("after the first event the retry time is %v, want none", d)
	}
	if e, err := r.Next(); e.Data != "b" || e.ID != "" || err != nil || r.LastEventID() != "2" {
		t.Errorf("after %+v, %v the id is %q; want 2, of a block before", e, err, r.LastEventID())
	}
	if d, ok := r.Retry(); d != 20*time.Millisecond || !ok {
		t.Errorf("Retry() = %v, %v; want 20ms", d, ok)
	}
	if _, err := r.Next(); err != io.EOF || r.LastEventID() != "2" {
		t.Errorf("at the end, %v, the id is %q; want 2, since the last event is unfinished", err, r.LastEventID())
	}
}

func TestReaderReturnsWhatReadingReturned(t *testing.T) {
	broken := errors.New("connection reset")
	for _, tt := range []struct {
		name string
		src  io.Reader
	}{
		{"after the last byte", io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(broken))},
		{"with the last byte", iotest.DataErrReader(io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(broken)))},
	} {
		r := sse.NewReader(tt.src, 0)
		if e, err := r.Next(); e.Data != "a" || err != nil {
			t.Errorf("%s: Next() = %+v, %v; want the event before the error", tt.name, e, err)
		}
		for range 2 {
			if _, err := r.Next(); !errors.Is(err, broken) {
				t.Errorf("%s: Next() = %v, want %v", tt.name, err, broken)
			}
		}
	}
}

func TestReaderStopsAtASourceThatGivesNothing(t *testing.T) {
	if _, err := sse.NewReader(nothing{}, 0).Next(); err != io.ErrNoProgress {
		t.Errorf("Next() = %v, want %v", err, io.ErrNoProgress)
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

func TestReaderIsBounded(t *testing.T) {
	const limit = 64 << 10
	for _, tt := range []struct{ name, start, repeat string }{
		{"a data line without end", "data: ", "x"},
		{"an event without end", "", "data: x\n"},
		{"an event of empty lines without end", "", "data\n"},
		{"a comment without end", ":", "x"},
		{"a field name without end", "", "x"},
		{"a field name that begins like data without end", "datadata", "x"},
		{"an id without end", "id: ", "x"},
		{"an event name without end", "event: ", "x"},
		{"a retry without end", "retry: ", "9"},
	} {
		src := &endless{start: tt.start, repeat: tt.repeat}
		_, err := sse.NewReader(src, limit).Next()
		var tooBig *sse.TooBigError
		if !errors.As(err, &tooBig) || tooBig.Limit != limit || !errors.Is(err, abi.TooBig) {
			t.Errorf("%s: Next() = %v, want a TooBigError with limit %d that is abi.TooBig", tt.name, err, limit)
		}
		if most := 9 * limit; src.given > most {
			t.Errorf("%s: %d bytes were read before the error, want at most %d", tt.name, src.given, most)
		}
	}
}

// endless gives start and then repeat for ever.
type endless struct {
	start, repeat string
	given         int
}

func (s *endless) Read(b []byte) (int, error) {
	n := copy(b, s.start)
	s.start = s.start[n:]
	for n < len(b) {
		part := s.repeat[s.given%len(s.repeat):]
		m := copy(b[n:], part)
		n, s.given = n+m, s.given+m
	}
	return n, nil
}

func TestReaderTakesWhatIsExactlyAtTheLimit(t *testing.T) {
	const limit = 100
	full := strings.Repeat("x", limit)
	for _, tt := range []struct {
		name, stream string
		ok           bool
	}{
		{"data of the limit", "data: " + full + "\n\n", true},
		{"data of the limit without space", "data:" + full + "\n\n", true},
		{"data of one more", "data: " + full + "x\n\n", false},
		{"lines that come to the limit", "data:" + full[:50] + "\ndata:" + full[:49] + "\n\n", true},
		{"lines that come to one more", "data:" + full[:50] + "\ndata:" + full[:50] + "\n\n", false},
		{"an id and a name of the limit", "id: " + full + "\nevent: " + full + "\ndata\n\n", true},
		{"comments that come to more", strings.Repeat(":"+full+"\n", 10) + "data\n\n", true},
		{"many events that come to more", strings.Repeat("data:"+full+"\n\n", 10), true},
	} {
		for _, src := range []io.Reader{strings.NewReader(tt.stream), iotest.OneByteReader(strings.NewReader(tt.stream))} {
			if _, err := drain(sse.NewReader(src, limit)); (err == nil) != tt.ok {
				t.Errorf("%s: err = %v, want ok = %v", tt.name, err, tt.ok)
			}
		}
	}
}

func TestReaderHasADefaultLimit(t *testing.T) {
	full := strings.Repeat("x", abi.MaxSendBytes)
	if events, err := readAll("data:"+full+"\n\n", 0); len(events) != 1 || err != nil {
		t.Errorf("data of abi.MaxSendBytes: %d events, %v; want 1", len(events), err)
	}
	if _, err := readAll("data:"+full+"x\n\n", -1); !errors.Is(err, abi.TooBig) {
		t.Errorf("data of one more: %v, want %v", err, abi.TooBig)
	}
}

func TestReaderAllocatesOnlyTheStringsOfEvents(t *testing.T) {
	for _, tt := range []struct {
		name, stream string
		events       int     // in stream
		want         float64 // for all of it
	}{
		{"data", "data: some text\n\n", 1, 1},
		{"data in lines", "data: some text\ndata: more text\r\ndata: and more\n\n", 1, 1},
		{"a name that repeats", "event: token\ndata: some text\n\n", 1, 1},
		{"a name that comes and goes", "event: token\ndata: some text\n\ndata: more text\n\n", 2, 2},
		{"an id that repeats", "id: 17\ndata: some text\n\n", 1, 1},
		{"an id that changes", "id: 17\ndata: some text\n\nid: 18\n\n", 1, 3},
		{"comments, unknown fields and empty blocks", strings.Repeat(": keep-alive\nx: y\nz\n\n", 10) + "data: some text\n\n", 1, 1},
		{"data of 200 KB", "data: " + strings.Repeat("x", 200_000) + "\n\n", 1, 1},
	} {
		r := sse.NewReader(&endless{repeat: tt.stream}, 0)
		read := func() {
			for range tt.events {
				if _, err := r.Next(); err != nil {
					t.Error(err)
				}
			}
		}
		for range 100 {
			read() // buffers grow to their size
		}
		if got := testing.AllocsPerRun(500, read); got != tt.want {
			t.Errorf("%s: %v allocations, want %v", tt.name, got, tt.want)
		}
	}
}

func TestReaderLetsGoOfWhatABigEventNeeded(t *testing.T) {
	const readers, size = 20, 1 << 20
	big := strings.Repeat("x", size)
	stream := "data: " + big + "\n\nevent: " + big + "\nid: " + big + "\n\nid\ndata: a\n\n"
	idle := make([]*sse.Reader, readers)
	before := heapBytes()
	for i := range idle {
		idle[i] = sse.NewReader(strings.NewReader(stream), size)
		if events, err := drain(idle[i]); len(events) != 2 || err != nil {
			t.Fatalf("%d events, %v; want 2", len(events), err)
		}
	}
	if each := (heapBytes() - before) / readers; each > size/4 {
		t.Errorf("an idle reader holds %d bytes, want at most %d", each, size/4)
	}
	runtime.KeepAlive(idle)
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
