package abi

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// RecordHeader is the length in bytes of the fixed part of an event record.
const RecordHeader = 40

const (
	flagReplayed = 1 << iota
	flagEmptyID
)

// ErrRecord is returned for bytes that are no event record.
var ErrRecord = errors.New("not an event record")

// RecordSize is the length in bytes of e's record.
func RecordSize(e *Event) int {
	return RecordHeader + len(e.Data) + len(e.Name) + len(e.ID) + len(e.Subject)
}

// AppendRecord appends e as the record that receive writes: little-endian, the header of 40 bytes,
// then data, name, id and subject.
func AppendRecord(dst []byte, e *Event) []byte {
	le := binary.LittleEndian
	for _, s := range [...]string{e.Data, e.Name, e.ID, e.Subject} {
		dst = le.AppendUint32(dst, uint32(len(s)))
	}
	var ms int64
	if !e.Time.IsZero() {
		ms = e.Time.UnixMilli()
	}
	var flags uint32
	if e.Replayed {
		flags |= flagReplayed
	}
	if e.EmptyID {
		flags |= flagEmptyID
	}
	dst = le.AppendUint64(dst, e.Seq)
	dst = le.AppendUint64(dst, uint64(ms))
	dst = le.AppendUint32(dst, uint32(min(max(e.Retry.Milliseconds(), 0), math.MaxUint32)))
	dst = le.AppendUint32(dst, flags)
	for _, s := range [...]string{e.Data, e.Name, e.ID, e.Subject} {
		dst = append(dst, s...)
	}
	return dst
}

// ParseRecord reads one record, which must be all of b. The event keeps nothing of b.
func ParseRecord(b []byte) (Event, error) {
	if len(b) < RecordHeader {
		return Event{}, ErrRecord
	}
	le := binary.LittleEndian
	var parts [4]string
	rest := b[RecordHeader:]
	for i := range parts {
		n := le.Uint32(b[4*i:])
		if uint64(n) > uint64(len(rest)) {
			return Event{}, ErrRecord
		}
		parts[i], rest = string(rest[:n]), rest[n:]
	}
	if len(rest) != 0 {
		return Event{}, ErrRecord
	}
	e := Event{
		Data: parts[0], Name: parts[1], ID: parts[2], Subject: parts[3],
		Seq:   le.Uint64(b[16:]),
		Retry: time.Duration(le.Uint32(b[32:])) * time.Millisecond,
	}
	if ms := int64(le.Uint64(b[24:])); ms != 0 {
		e.Time = time.UnixMilli(ms)
	}
	flags := le.Uint32(b[36:])
	e.Replayed, e.EmptyID = flags&flagReplayed != 0, flags&flagEmptyID != 0
	return e, nil
}
