package source

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

const byteOrderMark = "\xEF\xBB\xBF"

// keepBytes is the room that lines keeps for later ones, however short those are.
const keepBytes = 64 << 10

// lines cuts a body that is no event stream into lines, ended by LF, CR or CRLF. Each is the data of
// one event. Blank lines are left out: remotes send them to show that they are there. So is the one
// that a CRLF seems to have.
type lines struct {
	max     int
	piece   []byte
	line    []byte // what earlier pieces had of the unfinished line
	whole   bool   // line has been returned and is done with
	started bool   // the first line is behind
	err     error
}

func newLines(max int) *lines { return &lines{max: max} }

// Feed gives l the next piece, once Next has returned false. It must not change until Next does so
// again.
func (l *lines) Feed(piece []byte) { l.piece = piece }

// Next returns the next line. The error is a *sse.TooBigError, and stays.
func (l *lines) Next() (sse.Block, bool, error) {
	for l.err == nil {
		line, ok := l.cut()
		if !ok {
			break
		}
		if !l.started {
			l.started = true
			line = bytes.TrimPrefix(line, []byte(byteOrderMark))
		}
		switch {
		case len(line) > l.max:
			l.err = &sse.TooBigError{Limit: l.max}
		case len(line) > 0:
			return sse.Block{Event: abi.Event{Data: text(line)}, Dispatch: true}, true, nil
		}
	}
	return sse.Block{}, false, l.err
}

// cut returns the next line without its end. It is valid until the next call.
func (l *lines) cut() ([]byte, bool) {
	if l.whole {
		l.line, l.whole = reuse(l.line), false
	}
	end := bytes.IndexAny(l.piece, "\r\n")
	if end < 0 {
		l.hold()
		return nil, false
	}
	part := l.piece[:end]
	l.piece = l.piece[end+1:]
	if len(l.line) == 0 {
		return part, true
	}
	l.line, l.whole = appendDoubling(l.line, part), true
	return l.line, true
}

// hold keeps what the piece has of a line, unless that is too long already.
func (l *lines) hold() {
	if len(l.line)+len(l.piece) > l.max+len(byteOrderMark) {
		l.err = &sse.TooBigError{Limit: l.max}
		return
	}
	l.line = appendDoubling(l.line, l.piece)
	l.piece = nil
}

func reuse(b []byte) []byte {
	if cap(b) > keepBytes && len(b) < cap(b)/4 {
		return nil
	}
	return b[:0]
}

// appendDoubling appends like append, which for big slices grows by a quarter only.
func appendDoubling(dst, b []byte) []byte {
	if cap(dst)-len(dst) < len(b) {
		dst = slices.Grow(dst, max(len(dst), len(b)))
	}
	return append(dst, b...)
}

// text returns line as UTF-8. What is not becomes U+FFFD as in browsers, by way of the parser, which
// knows how: a line without its end is the value of a data field.
func text(line []byte) string {
	if utf8.Valid(line) {
		return string(line)
	}
	p := sse.NewParser(len(line))
	p.Feed(slices.Concat([]byte("data: "), line, []byte("\n\n")))
	b, _, _ := p.Next() // a line of its own size is not too big
	return b.Data
}
