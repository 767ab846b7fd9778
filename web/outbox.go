package web

import (
	"context"
	"sync"

	"github.com/millrace/millrace/abi"
)

// outbox holds the bytes that wait for one viewer, bounded. A producer puts whole frames in; the
// one writer takes all that wait, so that they go out in one write. Frames are never cut.
type outbox struct {
	bound int  // bytes: while as many wait, put does; what one put adds may go over it
	acked bool // put returns only once the bytes are written

	mu      sync.Mutex
	buf     []byte // waiting
	spare   []byte // the writer's former buffer, to be filled next
	frames  uint64 // in buf
	seq     uint64 // the viewer misses nothing up to here once it has buf
	told    uint64 // the position that the last id among the frames tells it
	taken   uint64 // how many times the writer took something
	written uint64 // the last of those times whose bytes are written
	closed  bool   // nothing more may be put
	failed  bool   // nothing more will be written
	ready   chan struct{}
	room    chan struct{} // closed and replaced when the writer took or wrote something, or at the end
}

func newOutbox(bound int, acked bool) *outbox {
	return &outbox{bound: bound, acked: acked, ready: make(chan struct{}, 1), room: make(chan struct{})}
}

// put waits for room and lets encode append one or more frames. seq is the position after them, 0
// if they have none. It returns abi.Closed once the box is closed, or ctx's cause.
func (o *outbox) put(ctx context.Context, frames int, seq uint64, encode func([]byte) []byte) error {
	o.mu.Lock()
	for !o.closed && len(o.buf) >= o.bound {
		if err := o.wait(ctx); err != nil {
			return err
		}
	}
	if o.closed {
		o.mu.Unlock()
		return abi.Closed
	}
	o.buf = encode(o.buf)
	o.frames += uint64(frames)
	o.seq = max(o.seq, seq)
	o.told = max(o.told, seq)
	generation := o.taken + 1
	o.poke()
	for o.acked && o.written < generation && !o.failed {
		if err := o.wait(ctx); err != nil {
			return err
		}
	}
	failed := o.failed && o.written < generation
	o.mu.Unlock()
	if failed {
		return abi.Closed
	}
	return nil
}

// wait lets the lock go until something changed. On an error the lock is not held.
func (o *outbox) wait(ctx context.Context) error {
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

// untold returns the position that the viewer has come to without an event that told it so; ok is
// false if there is none or frames wait. It counts as told from then on.
func (o *outbox) untold() (seq uint64, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf) > 0 || o.seq <= o.told {
		return 0, false
	}
	o.told = o.seq
	return o.seq, true
}

// take gives the writer all that waits, and the number of frames in it. ended says that nothing
// will follow.
func (o *outbox) take() (b []byte, frames uint64, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b, frames = o.buf, o.frames
	o.buf, o.spare, o.frames = o.spare[:0], nil, 0
	if len(b) > 0 {
		o.taken++
		o.moved()
	}
	return b, frames, o.closed
}

// wrote gives the taken buffer back, written or not.
func (o *outbox) wrote(b []byte, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if cap(b) <= 64<<10 { // a viewer that is idle again keeps no large buffer
		o.spare = b[:0]
	}
	if err != nil {
		o.closed, o.failed = true, true
	} else {
		o.written = o.taken
	}
	o.moved()
}

// close lets no more in; what waits is still written.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.moved()
	o.poke()
}

// fail says that nothing more will be written.
func (o *outbox) fail() { o.wrote(nil, abi.Closed) }

func (o *outbox) moved() {
	close(o.room)
	o.room = make(chan struct{})
}

func (o *outbox) poke() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}
