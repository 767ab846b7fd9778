package bench

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// What part of an HTTP/1.1 response is expected next.
type part uint8

const (
	head part = iota
	chunkSize
	chunk
	chunkEnd
	plain // no chunks: the body goes on to the end of the connection
)

const (
	maxHead = 64 << 10
	maxLine = 4 << 20 // of a body, as long as it is not read whole
)

// errEnded is a stream that the server ended in good order.
var errEnded = errors.New("the server ended the stream")

// errCut is one that we cut ourselves.
var errCut = errors.New("cut")

// response cuts an HTTP/1.1 response that comes in pieces into the lines of its body.
type response struct {
	part  part
	left  int    // bytes of the chunk
	carry []byte // of a head or a line that has not come whole
}

// opened tells whether the head is in, with status 200.
func (r *response) opened() bool { return r.part != head }

// feed takes the next piece and gives each line that it ends to line, without its LF. The error is
// for a refusal, a response that is none, or errEnded. line must not keep what it is given.
func (r *response) feed(b []byte, line func([]byte)) error {
	for len(b) > 0 {
		var err error
		switch r.part {
		case head:
			b, err = r.readHead(b)
		case chunkSize:
			b, err = r.readSize(b)
		case chunk:
			n := min(r.left, len(b))
			err = r.readLines(b[:n], line)
			b = b[n:]
			if r.left -= n; r.left == 0 {
				r.part = chunkEnd
			}
		case chunkEnd:
			if b[0] == '\n' {
				r.part = chunkSize
			}
			b = b[1:]
		case plain:
			return r.readLines(b, line)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readHead returns what comes after the head, once it is whole.
func (r *response) readHead(b []byte) (rest []byte, err error) {
	r.carry = append(r.carry, b...)
	end := bytes.Index(r.carry, []byte("\r\n\r\n"))
	switch {
	case end < 0 && len(r.carry) > maxHead:
		return nil, errors.New("the response's head is too long")
	case end < 0:
		return nil, nil
	}
	text := string(r.carry[:end])
	rest = r.carry[end+4:]
	r.carry = nil
	status, _, _ := strings.Cut(text, "\r\n")
	if code := strings.Fields(status); len(code) < 2 || code[1] != "200" || !strings.HasPrefix(code[0], "HTTP/1.") {
		return nil, fmt.Errorf("the server answered %.60s %.200s", status, rest)
	}
	r.part = plain
	if strings.Contains(strings.ToLower(text), "\r\ntransfer-encoding: chunked") {
		r.part = chunkSize
	}
	return rest, nil
}

func (r *response) readSize(b []byte) (rest []byte, err error) {
	ch := b[0]
	switch {
	case ch >= '0' && ch <= '9':
		r.left = r.left<<4 | int(ch-'0')
	case ch|0x20 >= 'a' && ch|0x20 <= 'f':
		r.left = r.left<<4 | int(ch|0x20-'a'+10)
	case ch == '\n' && r.left == 0:
		return nil, errEnded
	case ch == '\n':
		r.part = chunk
	case ch != '\r':
		return nil, errors.New("the response's chunks are no HTTP")
	}
	if r.left > 1<<30 {
		return nil, errors.New("a chunk of the response is too big")
	}
	return b[1:], nil
}

func (r *response) readLines(b []byte, line func([]byte)) error {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			if r.carry = append(r.carry, b...); len(r.carry) > maxLine {
				return errors.New("a line of the stream is too long")
			}
			return nil
		}
		if len(r.carry) > 0 {
			r.carry = append(r.carry, b[:i]...)
			line(r.carry)
			r.carry = r.carry[:0]
		} else {
			line(b[:i])
		}
		b = b[i+1:]
	}
	return nil
}
