package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats-server/v2/server/archive"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/broker/backup"
)

const (
	feedChunk = 256 << 10
	feedPace  = 2 * time.Second // the server gives a restore up that brings nothing for five
	feedWait  = time.Minute     // for the server to take a chunk, or to make the stream
)

// streamFeed makes a stream by the server's own restore, which alone stores messages at sequences and
// times of old. The server takes an archive of messages, in chunks, and gives up when none comes for
// five seconds. So that whoever the messages come from may pause, one chunk is always held back, of
// which the server gets a byte now and then.
type streamFeed struct {
	nc     *nats.Conn
	config jetstream.StreamConfig
	last   uint64 // sequence so far

	archive *archive.Writer
	pack    *s2.Writer
	chunks  chan []byte   // to send
	gone    chan struct{} // closed when nothing is sent any more
	failed  error         // why; read after gone is closed
	cancel  context.CancelFunc
}

// feedStream begins to make a stream that has held the sequences from first to last. The feed must be
// ended, by finish or abort.
func feedStream(ctx context.Context, nc *nats.Conn, config jetstream.StreamConfig, first, last uint64) (*streamFeed, error) {
	ctx, cancel := context.WithCancel(ctx)
	f := &streamFeed{
		nc: nc, config: config, chunks: make(chan []byte), gone: make(chan struct{}), cancel: cancel,
	}
	f.pack = s2.NewWriter(&chunker{feed: f}, s2.WriterConcurrency(1))
	f.archive = archive.NewWriter(f.pack)
	go func() {
		defer close(f.gone)
		f.failed = f.send(ctx)
	}()
	// first is more than last for a stream that is empty now.
	state, err := json.Marshal(map[string]uint64{"first_seq": first, "last_seq": last})
	if err == nil {
		err = f.entry(&archive.Header{Name: "state.json", Timestamp: time.Now().UnixNano(), PayloadSize: int64(len(state))}, state)
	}
	if err != nil {
		f.abort()
		return nil, err
	}
	return f, nil
}

// message stores a message, which must come behind all before.
func (f *streamFeed) message(m backup.Message) error {
	if m.Seq <= f.last {
		return fmt.Errorf("%w: message %d comes after %d", backup.ErrDamaged, m.Seq, f.last)
	}
	header, err := encodeHeader(m.Header)
	if err != nil {
		return fmt.Errorf("%w: message %d: %w", backup.ErrDamaged, m.Seq, err)
	}
	f.last = m.Seq
	return f.entry(&archive.Header{
		Name: m.Subject, Timestamp: m.Time.UnixNano(), Sequence: m.Seq,
		HeaderSize: int64(len(header)), PayloadSize: int64(len(m.Data)),
	}, header, m.Data)
}

func (f *streamFeed) entry(h *archive.Header, pieces ...[]byte) error {
	if err := f.archive.WriteHeader(h); err != nil {
		return err
	}
	for _, b := range pieces {
		if _, err := f.archive.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// finish ends the archive and returns when the server has made the stream.
func (f *streamFeed) finish() error {
	defer f.cancel()
	err := f.entry(&archive.Header{}) // the archive's end
	if err == nil {
		err = f.pack.Close()
	}
	if err != nil {
		f.abort()
		return err
	}
	close(f.chunks)
	<-f.gone
	return f.failed
}

// abort ends a feed that comes to nothing. What the server has made of it stays.
func (f *streamFeed) abort() {
	f.cancel()
	<-f.gone
}

// chunker hands what is written to it to the sender.
type chunker struct{ feed *streamFeed }

func (c *chunker) Write(b []byte) (int, error) {
	for part := range slices.Chunk(bytes.Clone(b), feedChunk) {
		select {
		case c.feed.chunks <- part:
		case <-c.feed.gone:
			return 0, c.feed.failed
		}
	}
	return len(b), nil
}

// send asks the server to restore a stream and passes it the chunks.
func (f *streamFeed) send(ctx context.Context) error {
	var held []byte
	select {
	case held = <-f.chunks: // the server wants its first soon after it was asked
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	to, err := f.begin(ctx)
	if err != nil {
		return err
	}
	if err = f.sendAll(ctx, to, held); err != nil {
		// The server is told that nothing more comes, and gives up at once what it would wait for.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, _ = f.chunk(ending, to, nil)
		return err
	}
	answer, err := f.chunk(ctx, to, nil)
	if err == nil && len(answer) == 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// sendAll passes the server the chunk held and all that follow.
func (f *streamFeed) sendAll(ctx context.Context, to string, held []byte) error {
	pace := time.NewTicker(feedPace)
	defer pace.Stop()
	for {
		now := held
		select {
		case next, more := <-f.chunks:
			if held = next; !more {
				_, err := f.chunk(ctx, to, now)
				return err
			}
		case <-pace.C:
			if len(held) < 2 {
				return errors.New("restore: nothing came for too long")
			}
			now, held = held[:1], held[1:]
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if _, err := f.chunk(ctx, to, now); err != nil {
			return err
		}
		pace.Reset(feedPace)
	}
}

// begin asks for a restore and returns where its chunks go.
func (f *streamFeed) begin(ctx context.Context) (to string, err error) {
	body, err := json.Marshal(map[string]any{"config": f.config, "state": map[string]uint64{}})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, feedWait)
	defer cancel()
	for try := 0; ; try++ {
		// Asked only once where nobody answers: the stream may be there all the same.
		m, err := f.nc.RequestWithContext(ctx, "$JS.API.STREAM.RESTORE."+f.config.Name, body)
		var answer struct {
			Error *jetstream.APIError `json:"error"`
			To    string              `json:"deliver_subject"`
		}
		if err == nil {
			err = json.Unmarshal(m.Data, &answer)
		}
		if err == nil && answer.Error != nil {
			err = answer.Error
		}
		if err == nil {
			return answer.To, nil
		}
		var refused *jetstream.APIError
		known := errors.As(err, &refused) || errors.Is(err, nats.ErrNoResponders)
		if !known || !transient(err) || !pause(ctx, try) {
			return "", fmt.Errorf("restore stream: %w", err)
		}
	}
}

// chunk sends a chunk and waits until it is taken. What comes back is empty, or the end of the restore.
func (f *streamFeed) chunk(ctx context.Context, to string, b []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, feedWait)
	defer cancel()
	m, err := f.nc.RequestWithContext(ctx, to, b)
	for try := 0; errors.Is(err, nats.ErrNoResponders) && try < 20 && pause(ctx, try); try++ {
		m, err = f.nc.RequestWithContext(ctx, to, b) // that there is somebody may come later than the answer that says where
	}
	if err != nil {
		return nil, fmt.Errorf("restore stream: %w", err)
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if len(m.Data) > 0 && json.Unmarshal(m.Data, &answer) == nil && answer.Error != nil {
		return nil, fmt.Errorf("restore stream: %w", answer.Error)
	}
	return m.Data, nil
}

// encodeHeader is h as it is stored, nothing for none.
func encodeHeader(h map[string][]string) ([]byte, error) {
	if len(h) == 0 {
		return nil, nil
	}
	b := []byte("NATS/1.0\r\n")
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == ':' || r >= 0x7f }) {
			return nil, fmt.Errorf("header %q has no name that can be", name)
		}
		for _, value := range h[name] {
			if strings.ContainsAny(value, "\r\n") {
				return nil, fmt.Errorf("header %s has a line break", name)
			}
			b = append(b, name+": "+value+"\r\n"...)
		}
	}
	return append(b, "\r\n"...), nil
}
