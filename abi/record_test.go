package abi_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/abi"
)

// TestAppendRecordIsTheLayoutOfTheContract pins the bytes, since plugins in other languages read
// them at these offsets.
func TestAppendRecordIsTheLayoutOfTheContract(t *testing.T) {
	e := abi.Event{
		Data: "data!", Name: "name", ID: "id1", Subject: "su",
		Seq: 0x0102030405060708, Time: time.UnixMilli(0x1112131415), Retry: 0x2122 * time.Millisecond,
		Replayed: true, EmptyID: true,
	}
	want := "\x05\x00\x00\x00" + "\x04\x00\x00\x00" + "\x03\x00\x00\x00" + "\x02\x00\x00\x00" +
		"\x08\x07\x06\x05\x04\x03\x02\x01" + "\x15\x14\x13\x12\x11\x00\x00\x00" +
		"\x22\x21\x00\x00" + "\x03\x00\x00\x00" + "data!nameid1su"
	got := string(abi.AppendRecord([]byte("kept"), &e))
	if got != "kept"+want {
		t.Errorf("AppendRecord = %q, want %q behind what was there", got, want)
	}
	if n := abi.RecordSize(&e); n != len(want) {
		t.Errorf("RecordSize = %d, want %d", n, len(want))
	}
}

func TestRecordFlagsAreApart(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event abi.Event
		want  uint32
	}{
		{"neither", abi.Event{}, 0},
		{"replayed from history is bit 0", abi.Event{Replayed: true}, 1},
		{"an id that is set but empty is bit 1", abi.Event{EmptyID: true}, 2},
	} {
		if got := binary.LittleEndian.Uint32(abi.AppendRecord(nil, &tt.event)[36:]); got != tt.want {
			t.Errorf("%s: flags = %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestRecordKeepsWhatItHasRoomFor(t *testing.T) {
	for _, tt := range []struct {
		name        string
		event, want abi.Event
	}{
		{"no time is none", abi.Event{}, abi.Event{}},
		{"a time before 1970", abi.Event{Time: time.UnixMilli(-1)}, abi.Event{Time: time.UnixMilli(-1)}},
		{"a time in milliseconds", abi.Event{Time: time.Unix(1, 2_999_999)}, abi.Event{Time: time.UnixMilli(1002)}},
		{"a retry in milliseconds", abi.Event{Retry: 2999 * time.Microsecond}, abi.Event{Retry: 2 * time.Millisecond}},
		{"a negative retry is none", abi.Event{Retry: -time.Second}, abi.Event{}},
		{"a retry over its 32 bits is the longest", abi.Event{Retry: math.MaxInt64}, abi.Event{Retry: math.MaxUint32 * time.Millisecond}},
		{"the last sequence", abi.Event{Seq: math.MaxUint64}, abi.Event{Seq: math.MaxUint64}},
		{"bytes that are no text", abi.Event{Data: "\xFF\x00\n"}, abi.Event{Data: "\xFF\x00\n"}},
	} {
		got, err := abi.ParseRecord(abi.AppendRecord(nil, &tt.event))
		if err != nil || !same(got, tt.want) {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestParseRecordRefusesWhatIsNoRecord(t *testing.T) {
	e := abi.Event{Data: "data", Name: "name", ID: "id", Subject: "subject"}
	record := abi.AppendRecord(nil, &e)
	for n := range record {
		if _, err := abi.ParseRecord(record[:n]); !errors.Is(err, abi.ErrRecord) {
			t.Errorf("the first %d bytes: %v, want %v", n, err, abi.ErrRecord)
		}
	}
	if _, err := abi.ParseRecord(append(bytes.Clone(record), 0)); !errors.Is(err, abi.ErrRecord) {
		t.Errorf("a byte too many: %v, want %v", err, abi.ErrRecord)
	}
	for offset := 0; offset < 16; offset += 4 {
		long := bytes.Clone(record)
		binary.LittleEndian.PutUint32(long[offset:], math.MaxUint32)
		if _, err := abi.ParseRecord(long); !errors.Is(err, abi.ErrRecord) {
			t.Errorf("a length of 4 GiB at %d: %v, want %v", offset, err, abi.ErrRecord)
		}
	}
}

func TestParseRecordKeepsNothingOfItsBytes(t *testing.T) {
	record := abi.AppendRecord(nil, &abi.Event{Data: "data", Subject: "subject"})
	e, err := abi.ParseRecord(record)
	clear(record)
	if err != nil || e.Data != "data" || e.Subject != "subject" {
		t.Errorf("after its bytes changed the event is %+v, %v", e, err)
	}
}

func TestAppendRecordDoesNotAllocateWithRoom(t *testing.T) {
	e := abi.Event{Data: strings.Repeat("x", 1000), Name: "name", ID: "id", Subject: "subject", Time: time.UnixMilli(1)}
	buf := make([]byte, 0, abi.RecordSize(&e))
	if n := testing.AllocsPerRun(100, func() { buf = abi.AppendRecord(buf[:0], &e) }); n != 0 {
		t.Errorf("AppendRecord allocates %v times, want 0", n)
	}
}

func TestParseRecordGivesBackWhatWasAppended(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := abi.Event{
			Data:     rapid.String().Draw(t, "data"),
			Name:     rapid.String().Draw(t, "name"),
			ID:       rapid.String().Draw(t, "id"),
			Subject:  rapid.String().Draw(t, "subject"),
			Seq:      rapid.Uint64().Draw(t, "seq"),
			Retry:    time.Duration(rapid.Uint32().Draw(t, "retry")) * time.Millisecond,
			Replayed: rapid.Bool().Draw(t, "replayed"),
			EmptyID:  rapid.Bool().Draw(t, "empty id"),
		}
		if ms := rapid.Int64().Draw(t, "time"); ms != 0 {
			e.Time = time.UnixMilli(ms)
		}
		record := abi.AppendRecord(nil, &e)
		if len(record) != abi.RecordSize(&e) {
			t.Errorf("%d bytes, RecordSize says %d", len(record), abi.RecordSize(&e))
		}
		if got, err := abi.ParseRecord(record); err != nil || !same(got, e) {
			t.Errorf("%+v becomes %+v, %v", e, got, err)
		}
	})
}

// FuzzParseRecord gives it any bytes. What it takes for a record is what AppendRecord makes of its
// event, save for flags of later versions.
func FuzzParseRecord(f *testing.F) {
	full := abi.Event{
		Data: "some\ndata", Name: "name", ID: "id", Subject: "a.b", Seq: 7,
		Time: time.UnixMilli(1700000000000), Retry: time.Second, Replayed: true,
	}
	big := abi.Event{Data: strings.Repeat("x", 1<<20)}
	for _, e := range []*abi.Event{{}, {EmptyID: true}, &full, &big} {
		f.Add(abi.AppendRecord(nil, e))
	}
	f.Add([]byte{})
	f.Add(make([]byte, abi.RecordHeader-1))
	f.Add(bytes.Repeat([]byte{0xFF}, abi.RecordHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := abi.ParseRecord(b)
		if err != nil {
			return
		}
		again, err := abi.ParseRecord(abi.AppendRecord(nil, &e))
		if err != nil || !same(again, e) {
			t.Errorf("%+v becomes %+v, %v", e, again, err)
		}
		if n := abi.RecordSize(&e); n != len(b) {
			t.Errorf("a record of %d bytes, RecordSize says %d", len(b), n)
		}
	})
}

// same compares events whose times may be told in different places.
func same(a, b abi.Event) bool {
	if !a.Time.Equal(b.Time) {
		return false
	}
	a.Time = b.Time
	return a == b
}
