package sse

import (
	"bytes"
	"fmt"
	"time"

	"github.com/millrace/millrace/abi"
)

const (
	bom = "\xEF\xBB\xBF"

	// lineRoom is how much longer than the limit a line may be: the longest field name, its colon
	// and space.
	lineRoom = len("event: ")
)

// Block is what a blank line ended.
type Block struct {
	// Event has what the block's fields set: Data, Name, ID with EmptyID, Retry.
	abi.Event

	// Dispatch tells that there was a data field, so that a browser dispatches the event. A block
	// without one only set the last event id or the retry time; its Name is empty.
	Dispatch bool
}

// TooBigError is the error for a stream whose next event has data, or a line, over the limit. It
// wraps abi.TooBig.
type TooBigError struct {
	Limit int // in bytes
}

func (e *TooBigError) Error() string {
	return fmt.Sprintf("event is over the limit of %d bytes", e.Limit)
}

func (e *TooBigError) Unwrap() error { return abi.TooBig }

// Parser reads an event stream that comes in pieces, cut anywhere. For each piece, call Feed and
// then Next until it has no more. The end of a stream needs no call: the standard drops what no
// blank line ended. A Parser is for one goroutine and one stream.
//
// A value is read where it lies in the piece; only what is cut between pieces or has several lines
// is gathered in a buffer first. Beside that buffer a Parser allocates only the strings that it
// returns, and none for a name or id equal to the one before.
type Parser struct {
	lines  lines
	fields fields
	line   []byte // what earlier pieces had of the unfinished line, unless it is inData
	inData bool   // the unfinished line is a data field, whose value so far is in fields
	bom    int    // how much of a byte order mark has been read; all of it once that is settled
	err    error  // ends the stream

	name     string // the last one
	lastID   string
	retry    time.Duration
	hasRetry bool
}

// NewParser returns a parser for one stream. The data of an event may have maxEventBytes bytes; a
// line of any kind may have seven more, for its field name. They are counted as received: a byte
// that is not UTF-8 may become three. If maxEventBytes is not positive, the limit is
// abi.MaxSendBytes.
func NewParser(maxEventBytes int) *Parser {
	if maxEventBytes <= 0 {
		maxEventBytes = abi.MaxSendBytes
	}
	return &Parser{fields: fields{max: maxEventBytes}}
}

// Feed gives p the next piece of the stream. p reads it in place, so it must not change until Next
// has returned false; then p keeps nothing of it. Feed panics if Next has not come that far: the
// rest of the piece before would be lost.
func (p *Parser) Feed(piece []byte) {
	if p.err != nil {
		return
	}
	if len(p.lines.rest()) > 0 {
		panic("sse: Feed before Next was done with the piece before")
	}
	p.lines.feed(p.withoutBOM(piece))
}

// Next returns the next block of the piece that dispatches an event, or sets the last event id or
// the retry time. It returns false when it needs another piece. The error is a *TooBigError, and
// stays: there is no more to read.
func (p *Parser) Next() (Block, bool, error) {
	for p.err == nil {
		line, ok := p.lines.next()
		if !ok {
			p.err = p.hold(p.lines.rest())
			break
		}
		switch {
		case p.inData:
			p.inData = false
			p.err = p.fields.extendData(line)
		case len(p.line) > 0:
			p.err = p.joinedField(line)
		case len(line) > 0:
			p.err = p.field(line)
		default:
			if b, ok := p.endBlock(); ok {
				return b, true, nil
			}
		}
	}
	return Block{}, false, p.err
}

// LastEventID is the id that a reconnect sends: the last that a finished block set, also one that
// dispatched nothing.
func (p *Parser) LastEventID() string { return p.lastID }

// Retry is the last time to wait before a reconnect that the stream has set, at most 2³²-1 ms, and
// whether it has set one. As in the standard it holds from its line on, not from the block's end.
func (p *Parser) Retry() (time.Duration, bool) { return p.retry, p.hasRetry }

// withoutBOM returns piece without the byte order mark at the start of the stream, or this piece's
// part of it. What looked like one and was not goes to the first line.
func (p *Parser) withoutBOM(piece []byte) []byte {
	for p.bom < len(bom) && len(piece) > 0 {
		if piece[0] != bom[p.bom] {
			p.line = append(p.line, bom[:p.bom]...)
			p.bom = len(bom)
			break
		}
		piece = piece[1:]
		p.bom++
	}
	return piece
}

// hold keeps the unfinished line, whose next part is all that is left of the piece, and the
// unfinished block. Once a line is known for a data field, its value goes straight to its place.
func (p *Parser) hold(part []byte) error {
	p.fields.own()
	if p.inData {
		return p.fields.extendData(part)
	}
	if len(p.line)+len(part) > p.fields.max+lineRoom {
		return p.tooBig()
	}
	if len(p.line) > 0 || !beginsData(part) {
		p.line = appendDoubling(p.line, part)
		part = p.line
	}
	if !beginsData(part) {
		return nil
	}
	p.inData = true
	return p.ownedField(part)
}

// beginsData tells whether line is a data field, with enough of it to tell where its value begins.
func beginsData(line []byte) bool {
	return len(line) >= len("data: ") && string(line[:len("data:")]) == "data:"
}

// joinedField takes a line whose start is in p.line.
func (p *Parser) joinedField(end []byte) error {
	if len(p.line)+len(end) > p.fields.max+lineRoom {
		return p.tooBig()
	}
	p.line = appendDoubling(p.line, end)
	return p.ownedField(p.line)
}

// ownedField takes a line that may be in p.line, and empties that.
func (p *Parser) ownedField(line []byte) error {
	err := p.field(line)
	p.fields.own()
	p.line = p.line[:0]
	return err
}

// field takes one line that is not blank. A comment is a field without a name, and like all unknown
// fields has no effect.
func (p *Parser) field(line []byte) error {
	if len(line) > p.fields.max+lineRoom {
		return p.tooBig()
	}
	name, value, _ := bytes.Cut(line, []byte{':'})
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch string(name) {
	case "data":
		return p.fields.addData(value)
	case "event":
		p.fields.name = append(p.fields.name[:0], value...)
	case "id":
		p.fields.setID(value)
	case "retry":
		if p.fields.setRetry(value) {
			p.retry, p.hasRetry = p.fields.retry, true
		}
	}
	return nil
}

// endBlock returns the block that a blank line ends, and whether there is anything to tell of it.
func (p *Parser) endBlock() (Block, bool) {
	f := &p.fields
	b := Block{Dispatch: f.lines > 0}
	b.Retry = f.retry
	if f.hasID {
		p.lastID = decodeAgain(p.lastID, f.id)
		b.ID, b.EmptyID = p.lastID, p.lastID == ""
	}
	if b.Dispatch {
		b.Data = decode(f.text())
		if len(f.name) > 0 {
			p.name = decodeAgain(p.name, f.name)
			b.Name = p.name
		}
	}
	ok := b.Dispatch || f.hasID || f.hasRetry
	f.reset()
	p.line = reuse(p.line)
	return b, ok
}

func (p *Parser) tooBig() error { return &TooBigError{Limit: p.fields.max} }

// decodeAgain is decode for a value that is often the one before.
func decodeAgain(before string, b []byte) string {
	if before == string(b) {
		return before
	}
	return decode(b)
}
