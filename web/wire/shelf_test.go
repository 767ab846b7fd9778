package wire

import (
	"testing"
	"testing/synctest"
	"time"
)

func testBatch(after, to uint64, size int) *Batch {
	b := newBatch(Cursor{Seq: after}, 100)
	for seq := after + 1; seq <= to; seq++ {
		b.Add(Frame{Cursor{Seq: seq}, make([]byte, size)})
	}
	return b
}

func TestShelfFindsTheBatchThatAViewerIsWithin(t *testing.T) {
	s := shelf{bound: 1 << 20}
	r, other := &Ring{}, &Ring{}
	b := testBatch(100, 120, 50)
	s.put(r, b)
	for _, tt := range []struct {
		name string
		ring *Ring
		at   Cursor
		want bool
	}{
		{"at its begin", r, Cursor{Seq: 100}, true},
		{"within", r, Cursor{Seq: 110}, true},
		{"within an event", r, Cursor{Seq: 110, Output: 2}, true},
		{"at its end", r, Cursor{Seq: 120}, false},
		{"before it", r, Cursor{Seq: 99}, false},
		{"of another ring", other, Cursor{Seq: 110}, false},
	} {
		if got := s.find(tt.ring, tt.at) == b; got != tt.want {
			t.Errorf("%s: found %v", tt.name, got)
		}
	}
	if s.clear(r); s.bytes != 0 || s.find(r, Cursor{Seq: 110}) != nil {
		t.Errorf("after its ring is gone, %d bytes are kept", s.bytes)
	}
}

func TestShelfIsBounded(t *testing.T) {
	s := shelf{bound: 100 << 10}
	r := &Ring{}
	for i := uint64(0); i < 1000; i++ {
		if s.put(r, testBatch(i, i+1, int(i)*10)); s.bytes > s.bound || len(s.books) > maxBooks {
			t.Fatalf("%d batches with %d bytes are kept", len(s.books), s.bytes)
		}
	}
	if s.put(r, testBatch(0, 1, 200<<10)); s.bytes != 0 || len(s.books) != 0 {
		t.Errorf("a batch over the bound leaves %d bytes in %d batches", s.bytes, len(s.books))
	}
}

func TestShelfForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shelf{bound: 1 << 20}
		r := &Ring{}
		s.put(r, testBatch(0, 10, 50))
		time.Sleep(bookTime)
		if s.find(r, Cursor{Seq: 5}) != nil {
			t.Error("a batch is found after its time")
		}
		if s.put(r, testBatch(10, 11, 50)); len(s.books) != 1 {
			t.Errorf("%d batches are kept, one of them past its time", len(s.books))
		}
	})
}

func TestBatchLeavesOutWhatItsViewersHave(t *testing.T) {
	b := newBatch(Cursor{Seq: 5, Output: 2}, 100)
	for _, at := range []Cursor{{5, 1}, {5, 2}, {5, 3}, {5, 0}, {6, 0}} {
		b.Add(Frame{at, []byte("x")})
	}
	b.Reach(Cursor{Seq: 4})
	if len(b.seg.marks) != 3 || b.seg.marks[0].at != (Cursor{5, 3}) || b.at != (Cursor{Seq: 6}) {
		t.Errorf("the batch has %v and has come to %v", b.seg.marks, b.at)
	}
	b.End(nil)
	if b.Add(Frame{Cursor{7, 0}, []byte("x")}); len(b.seg.marks) != 3 || !b.Full() {
		t.Error("a batch that has ended takes more")
	}
}
