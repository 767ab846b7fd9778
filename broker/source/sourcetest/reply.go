package sourcetest

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// Reply is how a Remote answers one request. The zero Reply is an empty event stream.
type Reply struct {
	Status   int               // default 200
	Header   map[string]string // Content-Type is text/event-stream unless it is here
	Body     []byte
	Endless  byte   // after Body, this byte goes on for ever
	Encoding string // gzip, zstd or br: the body is compressed, and flushed after each piece

	Late    time.Duration // before the headers
	Trickle int           // bytes that are written at once; default all
	Pause   time.Duration // between two pieces

	// Cut breaks the connection off after so many bytes of the body; Stall keeps it, silent, until
	// the client leaves. They are nil for a body that ends as it should.
	Cut   *int
	Stall *int
}

// CutInRune is where to cut body so that the cut lies inside of its first character of several
// bytes; the body's length if it has none.
func CutInRune(body []byte) int {
	i := slices.IndexFunc(body, func(b byte) bool { return b >= utf8.RuneSelf })
	if i < 0 {
		return len(body)
	}
	return i + 1
}

// write writes the reply. It returns whether the connection is to be broken off. The error is that
// the client left.
func (y Reply) write(ctx context.Context, w http.ResponseWriter) (cut bool, err error) {
	if err := pause(ctx, y.Late); err != nil {
		return false, err
	}
	y.writeHeader(w)
	flush := http.NewResponseController(w)
	if err := flush.Flush(); err != nil {
		return false, err
	}
	out := encoder(w, y.Encoding)
	for piece := range y.pieces() {
		if _, err := out.Write(piece); err != nil {
			return false, err
		}
		if err := out.Flush(); err != nil {
			return false, err
		}
		if err := flush.Flush(); err != nil {
			return false, err
		}
		if err := pause(ctx, y.Pause); err != nil {
			return false, err
		}
	}
	switch {
	case y.Cut != nil:
		return true, nil
	case y.Stall != nil:
		<-ctx.Done()
		return false, ctx.Err()
	}
	return false, out.Close()
}

func (y Reply) writeHeader(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	for name, value := range y.Header {
		h.Set(name, value)
	}
	if y.Encoding != "" {
		h.Set("Content-Encoding", y.Encoding)
	}
	w.WriteHeader(max(y.Status, http.StatusOK))
}

// pieces yields the body as it is to be written, up to where it is cut or stalls.
func (y Reply) pieces() func(yield func([]byte) bool) {
	body := y.Body
	for _, end := range []*int{y.Cut, y.Stall} {
		if end != nil && *end < len(body) {
			body = body[:*end]
		}
	}
	step := y.Trickle
	if step <= 0 {
		step = max(len(body), 1)
	}
	return func(yield func([]byte) bool) {
		for piece := range slices.Chunk(body, step) {
			if !yield(piece) {
				return
			}
		}
		if y.Endless == 0 {
			return
		}
		more := slices.Repeat([]byte{y.Endless}, max(y.Trickle, 4096))
		for yield(more) {
		}
	}
}

// pause waits, and returns at once the context's error once that has ended.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flusher is a writer that can be told to hold nothing back.
type flusher interface {
	io.WriteCloser
	Flush() error
}

func encoder(w io.Writer, encoding string) flusher {
	switch encoding {
	case "gzip":
		return gzip.NewWriter(w)
	case "zstd":
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err) // only options can be wrong
		}
		return z
	case "br":
		return brotli.NewWriter(w)
	}
	return plain{w}
}

type plain struct{ io.Writer }

func (plain) Flush() error { return nil }
func (plain) Close() error { return nil }
