package wire

import (
	"fmt"
	"strings"
	"testing"
)

func newTestRing(t *testing.T, c RingConfig) *Ring {
	t.Helper()
	w, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	c.Begin = 100
	return w.NewRing(c)
}

// fill appends events, each with so many outputs of a size.
func fill(r *Ring, from, to uint64, outputs, size int) {
	for seq := from; seq <= to; seq++ {
		var fs []Frame
		for i := 1; i <= outputs; i++ {
			at := Cursor{seq, i % outputs}
			fs = append(fs, Frame{at, []byte(fmt.Sprintf("%*d.%d ", size-3, at.Seq, at.Output))})
		}
		r.Append(fs, seq)
	}
}

// rest reads all frames behind a cursor, a few at a time.
func rest(t *testing.T, r *Ring, c Cursor) (words string, ok bool) {
	t.Helper()
	for {
		b, at, n, _, ok := r.read(nil, c, 25)
		if !ok {
			return "", false
		}
		if n == 0 {
			return strings.Join(strings.Fields(words), " "), true
		}
		words, c = words+string(b), at
	}
}

func TestRingGivesWhatLiesBehindACursor(t *testing.T) {
	r := newTestRing(t, RingConfig{})
	fill(r, 101, 102, 3, 10)
	for _, tt := range []struct {
		name   string
		cursor Cursor
		want   string
		ok     bool
	}{
		{"before the ring", Cursor{Seq: 99}, "", false},
		{"in the middle of the event at the ring's base", Cursor{Seq: 100, Output: 1}, "", false},
		{"at the ring's base", Cursor{Seq: 100}, "101.1 101.2 101.0 102.1 102.2 102.0", true},
		{"after the first output", Cursor{Seq: 101, Output: 1}, "101.2 101.0 102.1 102.2 102.0", true},
		{"after the second output", Cursor{Seq: 101, Output: 2}, "101.0 102.1 102.2 102.0", true},
		{"after an event", Cursor{Seq: 101}, "102.1 102.2 102.0", true},
		{"at the head", Cursor{Seq: 102}, "", true},
		{"ahead of the ring", Cursor{Seq: 200}, "", true},
	} {
		if got, ok := rest(t, r, tt.cursor); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %q, in the ring %v; want %q, %v", tt.name, got, ok, tt.want, tt.ok)
		}
		pos, ahead, ok := r.seek(tt.cursor)
		if words := len(strings.Fields(tt.want)); ok != tt.ok || ok && pos != r.head-uint64(words*15) {
			t.Errorf("%s: seek = %d, %v; want %d chunks of 15 before %d, %v", tt.name, pos, ok, words, r.head, tt.ok)
		}
		if want := tt.cursor.Seq == 200; ahead != want {
			t.Errorf("%s: ahead = %v", tt.name, ahead)
		}
	}
}

func TestRingIsBounded(t *testing.T) {
	r := newTestRing(t, RingConfig{Bytes: 40 << 10})
	for seq := uint64(101); seq <= 2000; seq += 10 {
		fill(r, seq, seq+9, 3, 200)
		if r.bytes > 40<<10 || r.w.rings.bytes.Load() != int64(r.bytes) {
			t.Fatalf("the ring takes %d bytes and %d are counted, its bound is %d", r.bytes, r.w.rings.bytes.Load(), 40<<10)
		}
	}
	if r.head-r.begin() < 25<<10 {
		t.Errorf("the ring has %d bytes of 40 KiB", r.head-r.begin())
	}
	if _, ok := rest(t, r, Cursor{Seq: r.base.Seq - 1}); ok {
		t.Error("a cursor before the base is found in the ring")
	}
	got, ok := rest(t, r, r.base)
	if first := r.segs[0].marks[0].at; !ok || !strings.HasPrefix(got, fmt.Sprintf("%d.%d ", first.Seq, first.Output)) {
		t.Errorf("behind the base: %.20q, %v; the first frame is %v", got, ok, first)
	}
}

func TestRingKeepsOneFrameHoweverLarge(t *testing.T) {
	r := newTestRing(t, RingConfig{Bytes: 100})
	fill(r, 101, 103, 1, 5000)
	if got, ok := rest(t, r, Cursor{Seq: 102}); got != "103.0" || !ok {
		t.Errorf("behind 102: %q, %v; want 103.0", got, ok)
	}
	if len(r.segs) != 1 {
		t.Errorf("there are %d segments", len(r.segs))
	}
}

func TestRingTellsAPositionThatNoFrameTold(t *testing.T) {
	r := newTestRing(t, RingConfig{})
	for _, tt := range []struct {
		name   string
		append []Frame
		head   uint64
		told   Cursor
		want   uint64
	}{
		{"nothing came", nil, 100, Cursor{Seq: 100}, 0},
		{"events came to nothing", nil, 105, Cursor{Seq: 100}, 105},
		{"a frame told it", []Frame{{Cursor{Seq: 107}, []byte("x")}}, 107, Cursor{Seq: 107}, 0},
		{"a frame waits for the viewer", nil, 109, Cursor{Seq: 100}, 0},
		{"events behind the frame came to nothing", nil, 109, Cursor{Seq: 107}, 109},
		{"part of an event is no position", []Frame{{Cursor{Seq: 110, Output: 1}, []byte("x")}}, 110, Cursor{Seq: 110, Output: 1}, 0},
	} {
		r.Append(tt.append, tt.head)
		seq, ok := r.untold(tt.told)
		if ok != (tt.want > 0) || ok && seq != tt.want {
			t.Errorf("%s: untold = %d, %v; want %d", tt.name, seq, ok, tt.want)
		}
	}
}

func TestRingWakesWhoWaits(t *testing.T) {
	r := newTestRing(t, RingConfig{})
	_, _, _, wake, _ := r.read(nil, Cursor{Seq: 100}, 100)
	select {
	case <-wake:
		t.Fatal("there is nothing, and the reader is woken")
	default:
	}
	fill(r, 101, 101, 1, 10)
	<-wake
	_, _, _, wake, _ = r.read(nil, Cursor{Seq: 101}, 100)
	r.End(nil)
	<-wake
	if _, _, n, wake, _ := r.read(nil, Cursor{Seq: 101}, 100); n != 0 || wake != nil {
		t.Error("an ended ring has something to wait for")
	}
}
