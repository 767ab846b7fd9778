package sse

import (
	"bytes"
	"slices"
	"time"
)

// keepBytes is the room that a buffer keeps for later blocks, however small those are.
const keepBytes = 64 << 10

// fields gathers what the fields of one block set.
type fields struct {
	max      int    // bytes of data
	lines    int    // data fields so far
	view     []byte // the only data field's value, while it lies in the piece
	data     []byte // otherwise their values so far, with LF between them
	name     []byte
	id       []byte
	hasID    bool
	retry    time.Duration
	hasRetry bool
}

// addData begins a data field. It keeps value in place, until own.
func (f *fields) addData(value []byte) error {
	f.lines++
	if f.lines == 1 {
		if len(value) > f.max {
			return &TooBigError{Limit: f.max}
		}
		f.view = value
		return nil
	}
	f.own()
	f.data = append(f.data, '\n')
	return f.extendData(value)
}

// extendData adds more of the value of the last data field, which own must have been called for.
func (f *fields) extendData(value []byte) error {
	if len(f.data)+len(value) > f.max {
		return &TooBigError{Limit: f.max}
	}
	f.data = appendDoubling(f.data, value)
	return nil
}

// own copies what still lies in the piece.
func (f *fields) own() {
	f.data = appendDoubling(f.data, f.view)
	f.view = nil
}

// text returns the data of the block.
func (f *fields) text() []byte {
	if f.view != nil {
		return f.view
	}
	return f.data
}

// setID takes an id field. One with a NUL has no effect.
func (f *fields) setID(value []byte) {
	if bytes.IndexByte(value, 0) < 0 {
		f.id, f.hasID = append(f.id[:0], value...), true
	}
}

// setRetry takes a retry field. One with anything but ASCII digits, or with none, has no effect.
func (f *fields) setRetry(value []byte) bool {
	var ms int64
	for _, c := range value {
		if c < '0' || c > '9' {
			return false
		}
		ms = min(ms*10+int64(c-'0'), maxRetry)
	}
	if len(value) == 0 {
		return false
	}
	f.retry, f.hasRetry = time.Duration(ms)*time.Millisecond, true
	return true
}

// reset is ready for the next block. It keeps buffers that are in use, and lets go of what one big
// block left behind.
func (f *fields) reset() {
	*f = fields{max: f.max, data: reuse(f.data), name: reuse(f.name), id: reuse(f.id)}
}

func reuse(b []byte) []byte {
	if cap(b) > keepBytes && len(b) < cap(b)/4 {
		return nil
	}
	return b[:0]
}

// appendDoubling appends like append, which for big slices grows by a quarter only: too many copies
// of a block that comes in a hundred pieces.
func appendDoubling(dst, b []byte) []byte {
	if cap(dst)-len(dst) < len(b) {
		dst = slices.Grow(dst, max(len(dst), len(b)))
	}
	return append(dst, b...)
}
