package sse

import (
	"io"
	"time"

	"github.com/millrace/millrace/abi"
)

const (
	// readBytes is little, since an idle source keeps it. More measured no faster.
	readBytes = 4 << 10

	// maxEmptyReads is how often in a row a source may give nothing and no error.
	maxEmptyReads = 100
)

// Reader reads the events of a stream. It is for one goroutine.
type Reader struct {
	src    io.Reader
	parser *Parser
	buf    []byte
	err    error // from src; holds once the bytes that came with it are read
}

// NewReader returns a reader of src, with the limit of NewParser.
func NewReader(src io.Reader, maxEventBytes int) *Reader {
	return &Reader{src: src, parser: NewParser(maxEventBytes), buf: make([]byte, readBytes)}
}

// Next returns the next event that a browser would dispatch, as soon as its last byte has arrived.
// It sets Data, Name, ID, EmptyID and Retry; a Name that is absent stays empty. The error is
// io.EOF at the end of the stream, where an unfinished event is dropped, a *TooBigError, or what
// reading returned. After an error Next returns it again.
func (r *Reader) Next() (abi.Event, error) {
	for {
		b, ok, err := r.parser.Next()
		switch {
		case err != nil:
			return abi.Event{}, err
		case ok && b.Dispatch:
			return b.Event, nil
		case ok:
			continue
		case r.err != nil:
			return abi.Event{}, r.err
		}
		r.fill()
	}
}

// LastEventID is the id that a reconnect sends, as Parser.LastEventID.
func (r *Reader) LastEventID() string { return r.parser.LastEventID() }

// Retry is the time to wait before a reconnect, as Parser.Retry.
func (r *Reader) Retry() (time.Duration, bool) { return r.parser.Retry() }

func (r *Reader) fill() {
	var n int
	for range maxEmptyReads {
		if n, r.err = r.src.Read(r.buf); n > 0 || r.err != nil {
			r.parser.Feed(r.buf[:n])
			return
		}
	}
	r.err = io.ErrNoProgress
}
