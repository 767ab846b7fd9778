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

// ParseRecord reads one record, which must be all of b. The event keeps nothing of b. Its strings
// are parts of one, so that who keeps an id for long keeps the data too, unless it clones the id.
func ParseRecord(b []byte) (e Event, err error) {
	if len(b) < RecordHeader {
		return Event{}, ErrRecord
	}
	le := binary.LittleEndian
	rest := string(b[RecordHeader:])
	for i, part := range [...]*string{&e.Data, &e.Name, &e.ID, &e.Subject} {
		n := le.Uint32(b[4*i:])
		if uint64(n) > uint64(len(rest)) {
			return Event{}, ErrRecord
		}
		*part, rest = rest[:n], rest[n:]
	}
	if len(rest) != 0 {
		return Event{}, ErrRecord
	}
	e.Seq = le.Uint64(b[16:])
	if ms := int64(le.Uint64(b[24:])); ms != 0 {
		e.Time = time.UnixMilli(ms)
	}
	e.Retry = time.Duration(le.Uint32(b[32:])) * time.Millisecond
	flags := le.Uint32(b[36:])
	e.Replayed, e.EmptyID = flags&flagReplayed != 0, flags&flagEmptyID != 0
	return e, nil
}
