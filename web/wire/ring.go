package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// RingConfig says what a Ring holds. Bytes and History are needed if viewers can fall behind.
type RingConfig struct {
	// Bytes of recent frames at most, with their bookkeeping; default 1 MiB. The newest frames stay
	// however large they are.
	Bytes int

	// Begin is the position before the first frame.
	Begin uint64

	// Position encodes a block that tells a viewer a position, for keep-alives of viewers that have
	// missed nothing up to there though no frame told them so. nil sends comments only.
	Position func(seq uint64) []byte

	// History adds to b what lies behind a cursor, oldest first, until b has enough or has all up to and
	// including the event at upTo. It may add more, until b is full. It must get ahead: what comes to nothing is told
	// by b.Reach. An error ends the viewers that wait for it. nil ends with ErrSlow who falls behind.
	History func(ctx context.Context, after Cursor, upTo uint64, b *Batch) error
}

// Ring keeps the recent frames of one channel, each encoded once, for any number of viewers. One
// goroutine appends; all methods are safe for concurrent use.
type Ring struct {
	w      *Writers
	config RingConfig
	replay replay

	mu        sync.Mutex
	segs      []*segment
	bytes     int    // memory in use
	head      uint64 // bytes so far, those that are gone included
	frames    uint64 // likewise
	base      Cursor // all frames behind it are here
	told      Cursor // behind the last frame
	at        Cursor // how far the channel has come, with or without frames
	ended     bool
	why       error // set with ended
	listeners []listener
	wake      chan struct{} // closed at the next append; nil if nobody waits
}

// listener is told of new frames, and of the end. It must not block.
type listener interface{ appended() }

// NewRing makes a ring, which Close must let go of.
func (w *Writers) NewRing(c RingConfig) *Ring {
	if c.Bytes <= 0 {
		c.Bytes = 1 << 20
	}
	begin := Cursor{Seq: c.Begin}
	r := &Ring{w: w, config: c, base: begin, told: begin, at: begin}
	w.rings.add(r)
	return r
}

// Append adds frames and says that everything up to and including the event at head is in the ring
// or came to nothing. Frames must come in order; their bytes are copied. After End it does nothing.
func (r *Ring) Append(frames []Frame, head uint64) {
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return
	}
	before := r.bytes
	for _, f := range frames {
		if len(f.Bytes) > 0 {
			r.add(f)
		}
	}
	if r.at.Seq < head {
		r.at = Cursor{Seq: head}
	}
	r.shed(r.config.Bytes, 1)
	grown := r.bytes - before
	if len(frames) > 0 {
		r.tell()
	}
	r.mu.Unlock()
	r.w.rings.grew(grown)
}

// End says that no more frames will come, and why: viewers get what there is and then end with it.
func (r *Ring) End(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.ended, r.why = true, why
		r.tell()
	}
}

// Close ends the ring and gives its memory back. Viewers that still follow it end.
func (r *Ring) Close() {
	r.End(errors.New("the ring was closed"))
	r.mu.Lock()
	grown := -r.bytes
	r.segs, r.bytes, r.base = nil, 0, r.told
	r.mu.Unlock()
	r.w.shelf.clear(r)
	r.w.rings.remove(r)
	r.w.rings.grew(grown)
}

// Live is the cursor of a viewer that wants only what comes from now on.
func (r *Ring) Live() Cursor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

func (r *Ring) add(f Frame) {
	if n := len(r.segs); n == 0 || !r.segs[n-1].fits(len(f.Bytes)) {
		r.grow(len(f.Bytes))
	}
	r.head += uint64(r.segs[len(r.segs)-1].add(f))
	r.bytes += markBytes
	r.frames++
	r.told = f.At
	r.at = f.At
}

// grow begins a segment. A quiet channel has a small one; a busy one has eight to its bound, so that
// little goes at once when the oldest does.
func (r *Ring) grow(frame int) {
	size := 4 << 10
	if n := len(r.segs); n > 0 {
		size = min(2*len(r.segs[n-1].mem), max(size, r.config.Bytes/8))
	}
	size = max(size, chunkSize(frame))
	r.segs = append(r.segs, &segment{start: r.head, first: r.frames, mem: make([]byte, size)})
	r.bytes += size
}

// shed lets the oldest segments go until the ring takes no more than most bytes or keep are left.
func (r *Ring) shed(most, keep int) {
	drop := 0
	for r.bytes > most && drop < len(r.segs)-keep {
		s := r.segs[drop]
		r.bytes -= len(s.mem) + markBytes*len(s.marks)
		r.base = s.last()
		drop++
	}
	r.segs = slices.Delete(r.segs, 0, drop)
}

func (r *Ring) tell() {
	for _, l := range r.listeners {
		l.appended()
	}
	if r.wake != nil {
		close(r.wake)
		r.wake = nil
	}
}

func (r *Ring) listen(l listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listeners = append(r.listeners, l)
}

func (r *Ring) ignore(l listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.listeners, l); i >= 0 {
		r.listeners = slices.Delete(r.listeners, i, i+1)
	}
}

// count is the number of frames so far.
func (r *Ring) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.frames
}

// begin is the number of the first byte that is still here.
func (r *Ring) begin() uint64 {
	if len(r.segs) == 0 {
		return r.head
	}
	return r.segs[0].start
}

// seek finds the number of the first byte behind a cursor; ok is false if the ring no longer, or not
// yet, reaches there. ahead says that the cursor lies behind all that the ring has.
func (r *Ring) seek(c Cursor) (pos uint64, ahead, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !c.Covers(r.base) {
		return 0, false, false
	}
	for _, s := range r.segs {
		if i := s.after(c); i < len(s.marks) {
			return s.start + uint64(s.begin(i)), false, true
		}
	}
	return r.head, c.Seq > r.at.Seq, true
}

// read appends to dst the bodies of frames behind a cursor that is in the ring, as many as fit most
// bytes and at least one, and returns the cursor behind them. n is their number. ok is false if the
// cursor is not in the ring. At the live end there are none, and a channel to wait on.
func (r *Ring) read(dst []byte, c Cursor, most int) (b []byte, at Cursor, n int, wake <-chan struct{}, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !c.Covers(r.base) {
		return dst, c, 0, nil, false
	}
	b = dst
	for _, s := range r.segs {
		for i := s.after(c); i < len(s.marks); i++ {
			body := chunkBody(s.mem[s.begin(i):s.marks[i].end])
			if n > 0 && len(b)-len(dst)+len(body) > most {
				return b, c, n, nil, true
			}
			b, c = append(b, body...), s.marks[i].at
			n++
		}
	}
	if n == 0 && !r.ended {
		if r.wake == nil {
			r.wake = make(chan struct{})
		}
		wake = r.wake
	}
	return b, c, n, wake, true
}

// over tells whether the ring has ended, and why.
func (r *Ring) over() (ended bool, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended, r.why
}

// untold returns the position that a viewer at the live end has come to beyond what it was told.
func (r *Ring) untold(told Cursor) (seq uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at.Seq, r.at.Seq > told.Seq && told.Covers(r.told) && r.at.Output == 0
}

// historyTimeout bounds one read of history.
const historyTimeout = 30 * time.Second

// fetch reads a batch of history behind a cursor.
func (r *Ring) fetch(ctx context.Context, after Cursor, want int) (*Batch, error) {
	if r.config.History == nil {
		return nil, ErrSlow
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	r.mu.Lock()
	upTo := r.base.Seq
	r.mu.Unlock()
	b := newBatch(after, want)
	r.w.reads.Add(1)
	if err := r.config.History(ctx, after, upTo, b); err != nil {
		return nil, err
	}
	if b.at == after && !b.ended {
		return nil, fmt.Errorf("history behind %d.%d does not get ahead", after.Seq, after.Output)
	}
	return b, nil
}
