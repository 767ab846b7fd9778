package source

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/millrace/millrace/abi"
)

// DialBy makes the client dial by way of dial, which the guard does not see. There is no such way
// out of tests.
func (c *Client) DialBy(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	c.transport.DialContext = dial
}

// CheckAddress is what the guard says of addr.
func CheckAddress(addr netip.Addr, allowPrivate bool) error { return guard{allowPrivate}.check(addr) }

// RetryAfter is the wait that a header asks for.
func RetryAfter(value string, now time.Time) time.Duration { return retryAfter(value, now) }

// Subject is where an event called name goes.
func Subject(template, name string) string { return subject(template, name) }

// ReadLines cuts pieces, one after the other, into lines. The stream ends with its last piece.
func ReadLines(max int, pieces ...[]byte) ([]string, error) {
	s := &Stream{events: newLines(max), byLine: true, clocks: &clocks{ctx: context.Background()}, secrets: &filler{}, body: io.NopCloser(&piecesReader{pieces})}
	var all []string
	for {
		e, err := s.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, e.Data)
	}
}

type piecesReader struct{ pieces [][]byte }

func (r *piecesReader) Read(p []byte) (int, error) {
	if len(r.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.pieces[0])
	if r.pieces[0] = r.pieces[0][n:]; len(r.pieces[0]) == 0 {
		r.pieces = r.pieces[1:]
	}
	return n, nil
}

// Waits returns the waits after n failures in a row, asked for by the remote with base.
func Waits(config Retry, base time.Duration, n int) (waits []time.Duration) {
	b := newBackoff(config.withDefaults())
	if base >= 0 {
		b.set(base)
	}
	for range n {
		wait, more := b.fail(0)
		if !more {
			break
		}
		waits = append(waits, wait)
	}
	return waits
}

// Fits tells whether an event of n outputs can join a batch that has m already.
func Fits(m, n int) bool {
	var b batch
	b.add(abi.Event{}, make([]Output, m))
	return b.fits(make([]Output, n))
}
