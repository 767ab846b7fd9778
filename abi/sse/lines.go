package sse

import "bytes"

// lines cuts pieces of a stream at CR, LF and CRLF, also where a CRLF is cut by the end of a piece.
// It reads every byte of a piece twice, whatever the mix of line ends: the next LF and the next CR
// are each searched for only when the one before is used up.
type lines struct {
	piece   []byte
	start   int // of the line at hand
	lf, cr  int // the first LF and CR from there, or the piece's length; unknown if before start
	afterCR bool
}

func (l *lines) feed(piece []byte) {
	l.piece, l.start, l.lf, l.cr = piece, 0, -1, -1
}

// next returns what the piece has of the next line that ends in it, without its end. A CR ends a
// line at once, without a look at what follows.
func (l *lines) next() ([]byte, bool) {
	if l.afterCR && l.start < len(l.piece) {
		l.afterCR = false
		if l.piece[l.start] == '\n' {
			l.start++
		}
	}
	l.lf, l.cr = l.find('\n', l.lf), l.find('\r', l.cr)
	end := min(l.lf, l.cr)
	if end == len(l.piece) {
		return nil, false
	}
	line := l.piece[l.start:end]
	l.start, l.afterCR = end+1, end == l.cr
	return line, true
}

// rest returns what is left of the piece, and is done with it.
func (l *lines) rest() []byte {
	rest := l.piece[l.start:]
	l.feed(nil)
	return rest
}

func (l *lines) find(c byte, known int) int {
	if known >= l.start {
		return known
	}
	if i := bytes.IndexByte(l.piece[l.start:], c); i >= 0 {
		return l.start + i
	}
	return len(l.piece)
}
