package host

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

var errTruncated = errors.New("ends in the middle of a section")

// reader reads a module's bytes. Its first error stays; after it every value is zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.rest = err, nil
	}
}

func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.rest)) {
		r.fail(errTruncated)
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u32() uint32 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > 5 || v > 1<<32-1 {
		r.fail(errTruncated)
		return 0
	}
	r.rest = r.rest[n:]
	return uint32(v)
}

func (r *reader) name() string {
	b := r.take(r.u32())
	if !utf8.Valid(b) {
		r.fail(errors.New("a name is not UTF-8"))
		return ""
	}
	return string(b)
}

// least reads the limits of a table or memory and returns the lower one.
func (r *reader) least() uint32 {
	flag := r.byte()
	if flag > 1 {
		r.fail(errors.New("shared and 64-bit memories and tables are not supported"))
	}
	least := r.u32()
	if flag == 1 {
		r.u32()
	}
	return least
}

func (r *reader) valueTypes() string { return letters(r.take(r.u32())) }
