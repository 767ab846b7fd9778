package sse_test

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

// Fuzzing with the seeds of a megabyte wants -fuzzminimizetime=1s: left alone it spends its time on
// making their variants small.

// FuzzParse reads any bytes whole, in pieces and with the reference parser, which must agree, and
// again with a small limit, which must hold.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "data\n\n", "\uFEFFdata: a\r\n\r\n", "id: 1\nevent: e\nretry: 5\ndata: a\ndata: b\r\r",
		"data: \xF0\x9F\x98\n\xE2\x82\xAC\xFF\n\n", ": c\n\nid\nid: \x00\n\ndata:\n\n", "\xEF\xBBdata: a\n\n",
		"data: " + strings.Repeat("x", 1<<20) + "\n\n",
	} {
		f.Add([]byte(seed), uint64(len(seed)))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		whole, pieces := parse(1<<30, bytes.Clone(stream)), parse(1<<30, cutRandomly(stream, random)...)
		if want := reference(stream); !reflect.DeepEqual(whole, want) {
			t.Errorf("whole: %s\ndiffers from the reference: %s", brief(whole), brief(want))
		}
		if !reflect.DeepEqual(pieces, whole) {
			t.Errorf("pieces: %s\ndiffer from the whole: %s", brief(pieces), brief(whole))
		}

		limit := 1 + random.IntN(100)
		whole, pieces = parse(limit, bytes.Clone(stream)), parse(limit, cutRandomly(stream, random)...)
		if !reflect.DeepEqual(pieces, whole) {
			t.Errorf("pieces with limit %d: %s\ndiffer from the whole: %s", limit, brief(pieces), brief(whole))
		}
		for _, e := range whole.events {
			if room := limit + len("event: "); len(e.Data) > 3*limit || len(e.Name) > 3*room || len(e.ID) > 3*room {
				t.Errorf("with limit %d: %d bytes of data, %d of name, %d of id", limit, len(e.Data), len(e.Name), len(e.ID))
			}
		}
	})
}

// FuzzRoundTrip sends any event between two comments. It comes back, without what the format cannot
// carry, and nothing spills out of its field.
func FuzzRoundTrip(f *testing.F) {
	f.Add("some text", "quote", "kT4x-17", "keep-alive", uint32(3000), uint64(1))
	f.Add(" a\n\nb\n", "", "", "", uint32(0), uint64(2))
	f.Add("a\rb\r\n", "e\ndata: x", "1\n\x00\n", "a\n\ndata: b", uint32(1), uint64(3))
	f.Add(strings.Repeat("😀", 1<<18), "\xFF", " ", "\uFEFF", uint32(1<<31), uint64(4))
	f.Add("\r\n\r\r\n\n", "", "\n", "", uint32(0), uint64(5))
	f.Fuzz(func(t *testing.T, data, name, id, comment string, retry uint32, seed uint64) {
		e := abi.Event{Data: data, Name: name, ID: id, EmptyID: id == "", Retry: time.Duration(retry) * time.Millisecond}
		stream := sse.AppendComment(nil, comment)
		before := len(stream)
		stream = sse.AppendEvent(stream, &e)
		if n := len(stream) - before; n > sse.Size(&e) {
			t.Errorf("%d bytes are more than Size, %d", n, sse.Size(&e))
		}
		stream = sse.AppendComment(stream, comment)

		got := parse(1<<30, cutRandomly(stream, rand.New(rand.NewPCG(seed, 0)))...)
		if got.err != nil || len(got.events) != 1 || len(got.others) != 0 {
			t.Fatalf("%d events, %d other blocks, %v; want one event", len(got.events), len(got.others), got.err)
		}
		want := abi.Event{
			Data:    referenceDecode([]byte(lineEnds.Replace(data))),
			Name:    referenceDecode([]byte(strings.NewReplacer("\r", "", "\n", "").Replace(name))),
			ID:      referenceDecode([]byte(strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(id))),
			EmptyID: e.EmptyID, Retry: e.Retry,
		}
		if e.Check(1<<30) == nil && (want.Name != name || want.ID != id || want.Data != lineEnds.Replace(data)) {
			t.Errorf("Check allows what the format cannot carry: %q, %q", name, id)
		}
		if got.events[0] != want {
			t.Errorf("sent %s\ngot %s", brief(outcome{events: []abi.Event{want}}), brief(got))
		}
	})
}

func cutRandomly(stream []byte, random *rand.Rand) [][]byte {
	var cuts []int
	for range random.IntN(20) {
		cuts = append(cuts, random.IntN(len(stream)+1))
	}
	if len(stream) < 1000 && random.IntN(4) == 0 {
		return everyByte(string(stream))
	}
	return cutAt(stream, cuts)
}
