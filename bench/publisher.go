package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// answerTimeout is how long a server may take to acknowledge an event.
const answerTimeout = 30 * time.Second

// publisher publishes one event after the other over one connection. It is for one goroutine.
type publisher struct {
	target        *target
	size          int    // of a payload
	before, after []byte // of the request, around the payload
	buf           []byte
	conn          net.Conn // nil until it is needed
	answers       *bufio.Reader
}

func newPublisher(t *target, size int) *publisher {
	before, after, _ := strings.Cut(t.request.Body, "{payload}")
	head := t.head("", fmt.Sprintf("Content-Length: %d", len(before)+size+len(after)))
	return &publisher{target: t, size: size, before: append(head, before...), after: []byte(after)}
}

// send publishes the event with the stamp and returns once it is acknowledged. After an error it is
// not known whether the server has it.
func (p *publisher) send(ctx context.Context, s stamp, at int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.buf = append(p.buf[:0], p.before...)
	p.buf = s.append(p.buf, at, p.size)
	p.buf = append(p.buf, p.after...)
	if err := p.connect(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = p.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	keep, err := p.exchange()
	if !keep {
		p.close()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// exchange sends what is in the buffer and reads the answer. keep tells that the connection can be
// used again.
func (p *publisher) exchange() (keep bool, err error) {
	if err := p.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return false, err
	}
	if _, err := p.conn.Write(p.buf); err != nil {
		return false, err
	}
	resp, err := http.ReadResponse(p.answers, nil)
	if err != nil {
		return false, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return false, err
	}
	if resp.StatusCode/100 != 2 {
		return false, fmt.Errorf("the server answered %s: %.200s", resp.Status, body)
	}
	return !resp.Close, nil
}

func (p *publisher) connect() (err error) {
	if p.conn != nil {
		return nil
	}
	if p.conn, err = p.target.dial(); err != nil {
		p.conn = nil
		return err
	}
	p.answers = bufio.NewReader(p.conn)
	return nil
}

func (p *publisher) close() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}
