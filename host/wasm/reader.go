package wasm

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// SyntaxError is returned for bytes that are no module, or one that uses what is not supported.
type SyntaxError struct {
	Offset int // in the bytes that were decoded
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("wasm: at offset %d: %s", e.Offset, e.Reason)
}

// reader reads the bytes of a module. Its first error stays; after it every value is zero and
// nothing is left to read.
type reader struct {
	b   []byte // the module, up to the end of the part that is read
	at  int
	err *SyntaxError
}

func (r *reader) fail(format string, args ...any) { r.failAt(r.at, format, args...) }

func (r *reader) failAt(offset int, format string, args ...any) {
	if r.err == nil {
		r.err = &SyntaxError{Offset: offset, Reason: fmt.Sprintf(format, args...)}
	}
	r.at = len(r.b)
}

func (r *reader) left() int { return len(r.b) - r.at }

// take returns the next n bytes.
func (r *reader) take(n int) []byte {
	if n > r.left() {
		r.fail("needs %d bytes, has %d", n, r.left())
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at : r.at]
}

func (r *reader) byte() byte {
	if r.at < len(r.b) {
		r.at++
		return r.b[r.at-1]
	}
	r.fail("ends too early")
	return 0
}

func (r *reader) u32() uint32 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 {
		r.at++
		return uint32(r.b[r.at-1])
	}
	return uint32(r.unsigned(32))
}

// unsigned reads an unsigned LEB128 number: at most ceil(bits/7) bytes, unused bits zero.
func (r *reader) unsigned(bits int) (v uint64) {
	start := r.at
	for shift := 0; ; shift += 7 {
		c := uint64(r.byte())
		if r.err != nil {
			return 0
		}
		if left := bits - shift; left < 7 && c>>left != 0 {
			r.failAt(start, "number does not fit into %d bits", bits)
			return 0
		}
		v |= c & 0x7f << shift
		if c < 0x80 {
			return v
		}
	}
}

// signed reads a signed LEB128 number: at most ceil(bits/7) bytes, unused bits like the sign.
func (r *reader) signed(bits int) (v int64) {
	start := r.at
	for shift := 0; ; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		if left := bits - shift; left < 7 {
			if sign := int8(c<<1) >> left; c >= 0x80 || sign != 0 && sign != -1 {
				r.failAt(start, "number does not fit into %d bits", bits)
				return 0
			}
		}
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if shift < 57 {
				v = v << (57 - shift) >> (57 - shift)
			}
			return v
		}
	}
}

// count reads the number of items that follow, each of which has at least so many bytes.
func (r *reader) count(of string, least int) int {
	n := int(r.u32())
	switch {
	case n > r.left()/least:
		r.fail("%d %s do not fit into %d bytes", n, of, r.left())
		return 0
	case n > maxItems:
		r.fail("%d %s are more than %d", n, of, maxItems)
		return 0
	}
	return n
}

// sized reads bytes with their length before them.
func (r *reader) sized() []byte { return r.take(int(r.u32())) }

func (r *reader) name() string {
	start := r.at
	b := r.sized()
	if !utf8.Valid(b) {
		r.failAt(start, "name is not UTF-8")
		return ""
	}
	return string(b)
}

func (r *reader) valueType() ValueType {
	start := r.at
	switch t := ValueType(r.byte()); t {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
		return t
	case 0x63, 0x64:
		r.failAt(start, "typed references are not supported")
	case 0x69:
		r.failAt(start, "exceptions are not supported")
	default:
		r.failAt(start, "%#x is no value type", byte(t))
	}
	return 0
}

func (r *reader) refType() ValueType {
	start := r.at
	t := r.valueType()
	if t != FuncRef && t != ExternRef {
		r.failAt(start, "%#x is no reference type", byte(t))
	}
	return t
}

// appendU32 appends the shortest unsigned LEB128.
func appendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// appendSigned appends the shortest signed LEB128.
func appendSigned(b []byte, v int64) []byte {
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}
