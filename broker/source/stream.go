package source

import (
	"io"
	"mime"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

const (
	// firstRead is little, since an idle stream keeps it.
	firstRead = 4 << 10

	// fullRead is what a stream reads at once when it has filled the first buffer.
	fullRead = 128 << 10

	// maxEmptyReads is how often in a row a body may give nothing and no error.
	maxEmptyReads = 100
)

// cutter cuts what is fed to it into events; sse.Parser tells the rules.
type cutter interface {
	Feed(piece []byte)
	Next() (sse.Block, bool, error)
}

// Stream is an open remote stream. It is for one goroutine.
type Stream struct {
	response abi.Response
	body     io.ReadCloser
	clocks   *clocks
	secrets  *filler // what errors must not tell
	events   cutter
	byLine   bool

	buf      []byte // with room for one byte more than is read
	full     bool   // the last read filled it
	err      error  // ends the stream, once what was read before is used up
	received time.Time
	bytes    uint64
	lastID   string
	retry    time.Duration
	hasRetry bool
}

// Next waits for the next event. It has Data, Name, ID, EmptyID, Retry, the Time when it was
// received, and the stream's URL as Subject. The error is io.EOF where the body ends as HTTP says
// it should, a *sse.TooBigError, ErrSilent, ErrTooLong, the cause of the context's end, or what
// reading returned. After an error Next returns it again.
func (s *Stream) Next() (abi.Event, error) {
	for {
		if e, ok := s.Ready(); ok {
			return e, nil
		}
		if s.err != nil {
			return abi.Event{}, s.err
		}
		s.fill()
	}
}

// Ready returns the next event if it has been received already.
func (s *Stream) Ready() (abi.Event, bool) {
	for {
		b, ok, err := s.events.Next()
		if err != nil {
			s.err = err
		}
		if !ok {
			return abi.Event{}, false
		}
		if s.keep(b); b.Dispatch {
			b.Subject, b.Time = s.response.URL, s.received
			return b.Event, true
		}
	}
}

// keep takes over what a block sets for the next connection.
func (s *Stream) keep(b sse.Block) {
	if b.EmptyID || b.ID != "" && sendable(b.ID) {
		s.lastID = b.ID
	}
	if p, ok := s.events.(*sse.Parser); ok {
		s.retry, s.hasRetry = p.Retry()
	}
}

// Response is the stream's HTTP side.
func (s *Stream) Response() abi.Response { return s.response }

// LastEventID is the id to resume after: of the last event that was returned or of a block behind
// it, or the one that the stream was opened with. One that cannot be sent back is not taken.
func (s *Stream) LastEventID() string { return s.lastID }

// Retry is the time to wait before a reconnect that the remote asks for, if it does.
func (s *Stream) Retry() (time.Duration, bool) { return s.retry, s.hasRetry }

// ByLine tells whether the content is no event stream, so that each line is an event.
func (s *Stream) ByLine() bool { return s.byLine }

// Bytes is how much of the body has been read, decoded.
func (s *Stream) Bytes() uint64 { return s.bytes }

// Close ends the connection.
func (s *Stream) Close() {
	s.clocks.stop() // first, so that the body is not read to its end
	s.body.Close()
}

func (s *Stream) fill() {
	switch {
	case s.buf == nil:
		s.buf = make([]byte, firstRead)
	case s.full && len(s.buf) == firstRead:
		s.buf = make([]byte, fullRead)
	}
	for range maxEmptyReads {
		var n int
		n, s.err = s.clocks.read(s.body, s.buf[:len(s.buf)-1])
		if n == 0 && s.err == nil {
			continue
		}
		s.err = s.secrets.hiddenIn(s.err)
		s.take(n)
		return
	}
	s.err = io.ErrNoProgress
}

// take feeds what was read.
func (s *Stream) take(n int) {
	s.received = time.Now().Truncate(time.Millisecond)
	s.bytes += uint64(n)
	piece := s.buf[:n]
	if s.byLine && s.err == io.EOF {
		piece = append(piece, '\n') // ends the last line; there is room for it
	}
	s.events.Feed(piece)
	s.full = n == len(s.buf)-1
}

func isEventStream(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return t == "text/event-stream" && (err == nil || err == mime.ErrInvalidMediaParameter)
}
