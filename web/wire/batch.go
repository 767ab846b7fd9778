package wire

// How much history is read at once: little at first, so that who comes back has its first event soon,
// and then more and more, to more than a socket takes at once, so that who has missed much seldom waits.
const (
	firstBatchBytes = 4 << 10
	maxBatchBytes   = 256 << 10
)

// nextWant is how many bytes the batch after one of want should have.
func nextWant(want int) int { return min(4*want, maxBatchBytes) }

// Batch is a run of history for viewers that have fallen behind, shared by all of them that are
// within it. RingConfig.History fills it.
type Batch struct {
	want  int    // bytes that it should have
	after Cursor // what it begins behind
	at    Cursor // what it has come to
	seg   segment
	ended bool
	why   error
}

func newBatch(after Cursor, want int) *Batch { return &Batch{after: after, at: after, want: want} }

// Want is how many bytes the batch should have, 4 KiB to 256 KiB.
func (b *Batch) Want() int { return b.want }

// Add appends a copy of a frame, unless it lies at or before the place that the batch begins behind. A frame of
// no position, such as one that tells of a gap, has the cursor it is seen at.
func (b *Batch) Add(f Frame) {
	if b.ended || b.after.Covers(f.At) {
		return
	}
	if len(f.Bytes) > 0 {
		if !b.seg.fits(len(f.Bytes)) {
			b.enlarge(len(f.Bytes))
		}
		b.seg.add(f)
	}
	b.Reach(f.At)
}

// Reach says that nothing else lies up to a cursor.
func (b *Batch) Reach(c Cursor) {
	if !b.at.Covers(c) {
		b.at = c
	}
}

// Enough tells whether the batch has as much as it should. What is at hand may still be added.
func (b *Batch) Enough() bool { return b.ended || b.seg.used >= b.want }

// Full tells whether the batch has as much as it may.
func (b *Batch) Full() bool { return b.ended || b.seg.used >= maxBatchBytes }

// End says that the stream of every viewer ends behind this batch, and why.
func (b *Batch) End(why error) { b.ended, b.why = true, why }

func (b *Batch) enlarge(frame int) {
	size := max(2*len(b.seg.mem), b.seg.used+chunkSize(frame), 4<<10)
	mem := make([]byte, size)
	copy(mem, b.seg.mem[:b.seg.used])
	b.seg.mem = mem
}

// has tells whether a viewer at c can go on in the batch.
func (b *Batch) has(c Cursor) bool { return c.Covers(b.after) && !c.Covers(b.at) }

// bytes is the memory it takes.
func (b *Batch) bytes() int { return len(b.seg.mem) + markBytes*cap(b.seg.marks) }
