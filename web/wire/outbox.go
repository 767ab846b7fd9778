package wire

import (
	"context"
	"strconv"
	"sync"
)

// outbox holds the bytes that wait for one viewer alone, bounded. A producer puts whole frames in;
// the one writer takes all that wait, so that they go out in one write. Frames are never cut.
type outbox struct {
	position func(seq uint64) []byte // as of a ring; nil is none

	bound int  // bytes: while as many wait, put does; what one put adds may go over it
	acked bool // put returns only once the bytes are written

	mu      sync.Mutex
	buf     []byte        // waiting, behind room for a chunk's head
	spare   []byte        // the writer's former buffer, to be filled next
	frames  int           // in buf
	seq     uint64        // the viewer misses nothing up to here once it has buf
	told    uint64        // the position that the last id among the frames tells it
	taken   uint64        // how many times the writer took something
	written uint64        // the last of those times whose bytes are written
	closed  bool          // nothing more may be put
	failed  bool          // nothing more will be written
	room    chan struct{} // closed when the writer took or wrote something, or at the end; nil if nobody waits
}

// waits is the number of bytes in buf.
func (o *outbox) waits() int { return max(len(o.buf)-maxChunkHead, 0) }

// put waits for room, lets encode append one or more frames, and pokes the writer. seq is the
// position after them, 0 if they have none. It returns ErrEnded once the box is closed, or ctx's
// cause.
func (o *outbox) put(ctx context.Context, frames int, seq uint64, encode func([]byte) []byte, poke func()) error {
	o.mu.Lock()
	for !o.closed && o.waits() >= o.bound {
		if err := o.wait(ctx); err != nil {
			return err
		}
	}
	if o.closed {
		o.mu.Unlock()
		return ErrEnded
	}
	if len(o.buf) == 0 {
		o.buf = append(o.buf, make([]byte, maxChunkHead)...)
	}
	before := o.waits()
	o.buf = encode(o.buf)
	if o.waits() == before { // nothing that a write could acknowledge
		o.mu.Unlock()
		return nil
	}
	o.frames += frames
	o.seq = max(o.seq, seq)
	o.told = max(o.told, seq)
	turn := o.taken + 1
	poke()
	for o.acked && o.written < turn && !o.failed {
		if err := o.wait(ctx); err != nil {
			return err
		}
	}
	failed := o.failed && o.written < turn
	o.mu.Unlock()
	if failed {
		return ErrEnded
	}
	return nil
}

// wait lets the lock go until something changed. On an error the lock is not held.
func (o *outbox) wait(ctx context.Context) error {
	if o.room == nil {
		o.room = make(chan struct{})
	}
	room := o.room
	o.mu.Unlock()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-room:
	}
	o.mu.Lock()
	return nil
}

// advance says that the viewer has missed nothing up to seq, though there was nothing to send.
func (o *outbox) advance(seq uint64) {
	o.mu.Lock()
	o.seq = max(o.seq, seq)
	o.mu.Unlock()
}

// untold returns the position that the viewer has come to without a frame that told it so; ok is
// false if there is none or frames wait. It counts as told from then on.
func (o *outbox) untold() (seq uint64, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waits() > 0 || o.seq <= o.told {
		return 0, false
	}
	o.told = o.seq
	return o.seq, true
}

// take gives the writer all that waits, as a chunk or bare, and the number of frames in it. buf is
// for wrote. ended says that nothing will follow.
func (o *outbox) take(chunked bool) (b, buf []byte, frames int, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waits() == 0 {
		return nil, nil, 0, o.closed
	}
	buf, frames = o.buf, o.frames
	o.buf, o.spare, o.frames = o.spare[:0], nil, 0
	o.taken++
	o.moved()
	if !chunked {
		return buf[maxChunkHead:], buf, frames, o.closed
	}
	var head [maxChunkHead]byte
	h := append(strconv.AppendUint(head[:0], uint64(len(buf)-maxChunkHead), 16), "\r\n"...)
	begin := maxChunkHead - len(h)
	copy(buf[begin:], h)
	buf = append(buf, "\r\n"...)
	return buf[begin:], buf, frames, o.closed
}

// wrote gives a taken buffer back once it is written.
func (o *outbox) wrote(buf []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if cap(buf) <= 64<<10 { // a viewer that is idle again keeps no large buffer
		o.spare = buf[:0]
	}
	o.written = o.taken
	o.moved()
}

// close lets no more in; what waits is still written.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.moved()
}

// fail says that nothing more will be written.
func (o *outbox) fail() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.failed = true, true
	o.buf, o.spare = nil, nil
	o.moved()
}

func (o *outbox) moved() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}
