package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

// quietFor is how long a stream may bring no event that is waited for.
const quietFor = time.Minute

// Stream is an open event stream, for one goroutine.
type Stream struct {
	t      testing.TB
	path   string
	body   io.ReadCloser
	reader *sse.Reader
	cancel context.CancelFunc
}

// Open opens a stream as the operator, with headers as pairs. Any status but 200 ends the test. The
// stream ends with the test.
func (c *Client) Open(path string, headers ...string) *Stream {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c.t.Cleanup(cancel)
	req, err := c.request(ctx, http.MethodGet, path, nil, headers)
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // whatever there is
		resp.Body.Close()
		c.t.Fatal(&StatusError{Answer{resp.StatusCode, resp.Header, b}, "open " + path})
	}
	return &Stream{t: c.t, path: path, body: resp.Body, reader: sse.NewReader(resp.Body, 0), cancel: cancel}
}

// Read returns the next event, or io.EOF when the server has ended the stream in good order. A
// stream that stays quiet for a minute is an error.
func (s *Stream) Read() (abi.Event, error) {
	timer := time.AfterFunc(quietFor, s.cancel)
	e, err := s.reader.Next()
	if !timer.Stop() {
		return e, fmt.Errorf("stream %s brings nothing for %s", s.path, quietFor)
	}
	return e, err
}

// Next is Read for the test's goroutine; the end of the stream ends the test.
func (s *Stream) Next() abi.Event {
	s.t.Helper()
	e, err := s.Read()
	if err != nil {
		s.t.Fatalf("stream %s after id %q: %v", s.path, s.reader.LastEventID(), err)
	}
	return e
}

// Ended tells whether the server ends the stream in good order, without another event.
func (s *Stream) Ended() error {
	switch e, err := s.Read(); {
	case err == nil:
		return fmt.Errorf("stream %s goes on with %q", s.path, e.Data)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("stream %s is cut: %w", s.path, err)
	}
	return nil
}

// Retry is the last time to wait that the stream told, and whether it told one.
func (s *Stream) Retry() (time.Duration, bool) { return s.reader.Retry() }

// Close leaves the stream.
func (s *Stream) Close() {
	s.cancel()
	s.body.Close()
}
