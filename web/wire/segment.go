package wire

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// segment is a run of frames in one piece of memory, each a chunk. What is written stays as it is,
// so that readers of what was there before need no lock for the bytes; used and marks belong to
// whoever fills it.
type segment struct {
	start uint64 // number of mem[0] among the ring's bytes
	first uint64 // number of its first frame
	mem   []byte
	used  int
	marks []mark // one for each frame

	pins atomic.Int32 // viewers that have part of a frame still to send from here
}

// mark is where a frame ends.
type mark struct {
	at  Cursor
	end int // in mem
}

// markBytes is what a mark takes.
const markBytes = 24

func (s *segment) fits(n int) bool { return s.used+chunkSize(n) <= len(s.mem) }

// add appends a frame, which must fit. It returns the bytes that the chunk takes.
func (s *segment) add(f Frame) int {
	b := appendChunk(s.mem[s.used:s.used:len(s.mem)], f.Bytes)
	s.used += len(b)
	s.marks = append(s.marks, mark{f.At, s.used})
	return len(b)
}

// last is the cursor behind its last frame; it has one.
func (s *segment) last() Cursor { return s.marks[len(s.marks)-1].at }

// begin is where the frame of marks[i] begins in mem.
func (s *segment) begin(i int) int {
	if i == 0 {
		return 0
	}
	return s.marks[i-1].end
}

// after is the index of the first mark behind a cursor.
func (s *segment) after(c Cursor) int {
	i, _ := slices.BinarySearchFunc(s.marks, c, func(m mark, c Cursor) int {
		if c.Covers(m.at) {
			return -1
		}
		return 1
	})
	return i
}

// holding is the index of the mark of the frame that has the byte at offset, which is len(marks) for
// what is not filled yet.
func (s *segment) holding(offset int) int {
	i, _ := slices.BinarySearchFunc(s.marks, offset, func(m mark, offset int) int {
		if m.end <= offset {
			return -1
		}
		return cmp.Compare(m.end, offset)
	})
	return i
}
