package wire_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/web/wire"
)

// history answers for a ring from all frames of a size up to head.
type history struct {
	head, size atomic.Int64
	reads      atomic.Int64
	hold       chan struct{} // nil, or read from before each answer
}

func (h *history) read(ctx context.Context, after wire.Cursor, upTo uint64, b *wire.Batch) error {
	h.reads.Add(1)
	if h.hold != nil {
		select {
		case <-h.hold:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for seq := after.Seq + 1; seq <= uint64(h.head.Load()) && !b.Enough(); seq++ {
		b.Add(frame(int(seq), int(h.size.Load())))
	}
	return nil
}

// append adds frames to history and then to the ring.
func (h *history) append(r *wire.Ring, from, to, size int) {
	h.size.Store(int64(size))
	for seq := from; seq <= to; seq++ {
		h.head.Store(int64(seq))
		r.Append([]wire.Frame{frame(seq, size)}, uint64(seq))
	}
}

func after(r *http.Request) (c wire.Cursor) {
	_, _ = fmt.Sscan(r.URL.Query().Get("after"), &c.Seq)
	return c
}

func TestViewersBehindTheRingShareWhatIsRead(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		var h history
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops}, func(r *http.Request) wire.Stream { return wire.Stream{Ring: ring, From: after(r)} }).start()
		ring = n.NewRing(wire.RingConfig{Bytes: 8 << 10, History: h.read})
		defer ring.Close()
		h.append(ring, 1, 1000, 200)
		var readers sync.WaitGroup
		for i := range 50 {
			v := n.connect(fmt.Sprint("/?after=", i%5))
			readers.Go(func() { v.sequence(t, i%5+1, 1100) })
		}
		h.append(ring, 1001, 1100, 200)
		readers.Wait()
		// One read would do for all. Whoever comes with an earlier place than the read began at has
		// another, and so may those who fell behind the ring again at its end.
		if reads := h.reads.Load(); reads > 15 {
			t.Errorf("50 viewers at 5 neighbouring places had history read %d times", reads)
		}
	})
}

// Who comes back has its first event after a small read, and who has missed much does not wait often.
func TestHistoryIsReadInLargerAndLargerBatches(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		var h history
		wants := make(chan int, 100)
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops}, func(r *http.Request) wire.Stream { return wire.Stream{Ring: ring, From: after(r)} }).start()
		ring = n.NewRing(wire.RingConfig{Bytes: 8 << 10, History: func(ctx context.Context, after wire.Cursor, upTo uint64, b *wire.Batch) error {
			wants <- b.Want()
			return h.read(ctx, after, upTo, b)
		}})
		defer ring.Close()
		h.append(ring, 1, 3000, 300)
		n.connect("/?after=0").sequence(t, 1, 3000)
		for _, want := range []int{4 << 10, 16 << 10, 64 << 10, 256 << 10, 256 << 10} {
			if got := <-wants; got != want {
				t.Errorf("a batch of %d bytes was asked for, want %d", got, want)
			}
		}
	})
}

// The seam between history and the ring, with viewers of all speeds and a ring that moves on fast.
func TestNothingIsLostOrDoubledAtAnySpeed(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		const frames = 1000
		var h history
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops, SocketBytes: 4 << 10}, func(r *http.Request) wire.Stream {
			return wire.Stream{Ring: ring, From: after(r)}
		}).start()
		ring = n.NewRing(wire.RingConfig{Bytes: 16 << 10, History: h.read})
		defer ring.Close()
		h.append(ring, 1, 200, 500)
		var readers sync.WaitGroup
		for i := range 16 {
			from := rand.IntN(200)
			v := n.connect(fmt.Sprint("/?after=", from))
			_ = v.conn.SetReadBuffer(16 << 10)
			readers.Go(func() {
				for at := from + 1; at <= frames; {
					to := min(at+rand.IntN(300), frames)
					v.sequence(t, at, to)
					at = to + 1
					time.Sleep(time.Duration(i%4) * time.Millisecond / 2)
				}
			})
		}
		for seq := 201; seq <= frames; seq += 50 {
			h.append(ring, seq, seq+49, 500)
			time.Sleep(time.Millisecond)
		}
		readers.Wait()
		for t.Failed() && len(n.ended) > 0 {
			t.Logf("a viewer ended with %v", <-n.ended)
		}
		if h.reads.Load() == 0 {
			t.Error("nobody fell behind the ring, so that nothing was tested")
		}
	})
}

func TestHistoryHoldsUpNobodyElse(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		h := history{hold: make(chan struct{})}
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops}, func(r *http.Request) wire.Stream { return wire.Stream{Ring: ring, From: after(r)} }).start()
		ring = n.NewRing(wire.RingConfig{Bytes: 8 << 10, History: h.read})
		defer ring.Close()
		h.append(ring, 1, 500, 200)
		late := n.connect("/?after=0")
		now := n.connect("/?after=500")
		h.append(ring, 501, 505, 200)
		now.sequence(t, 501, 505) // while the other's history hangs
		close(h.hold)
		late.sequence(t, 1, 505)
	})
}

func TestHistorysErrorEndsWhoWaits(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		for _, tt := range []struct {
			name    string
			history func(context.Context, wire.Cursor, uint64, *wire.Batch) error
			want    error
		}{
			{"an error", func(context.Context, wire.Cursor, uint64, *wire.Batch) error { return errNoHistory }, errNoHistory},
			{"no history", nil, wire.ErrSlow},
			{"an end in history", func(_ context.Context, _ wire.Cursor, _ uint64, b *wire.Batch) error {
				b.Add(frame(1, 20))
				b.End(errNoHistory)
				return nil
			}, errNoHistory},
		} {
			var ring *wire.Ring
			n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream { return wire.Stream{Ring: ring} }).start()
			ring = n.NewRing(wire.RingConfig{Begin: 10, History: tt.history})
			defer ring.Close()
			v := n.connect("/")
			v.rest(t)
			n.endsWith(tt.want)
		}
	})
}

var errNoHistory = errors.New("there is no history")

func TestEventsThatCameToNothingAreNotReadAgain(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		var ring *wire.Ring
		var reads atomic.Int64
		n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream { return wire.Stream{Ring: ring} }).start()
		ring = n.NewRing(wire.RingConfig{Begin: 1000, History: func(_ context.Context, after wire.Cursor, upTo uint64, b *wire.Batch) error {
			reads.Add(1)
			b.Reach(wire.Cursor{Seq: min(after.Seq+400, upTo)})
			return nil
		}})
		defer ring.Close()
		v := n.connect("/")
		ring.Append([]wire.Frame{frame(1001, 20)}, 1001)
		v.sequence(t, 1001, 1001)
		if reads.Load() != 3 {
			t.Errorf("history was read %d times, want 3", reads.Load())
		}
	})
}

// A batch that ends the stream is the last of it, though the ring goes on; who comes back to the same
// ring behind the end is not ended again.
func TestTheEndInHistoryIsTheEnd(t *testing.T) {
	for _, tt := range []struct {
		name  string
		size  int // of the last frame
		begin int // of the ring
	}{
		{"just before the ring", 100, 2},
		{"before the ring", 100, 5},
		{"before the ring, in a frame that no socket takes at once", 6 << 20, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, loops int) {
				var ring *wire.Ring
				n := newNode(t, wire.Config{Loops: loops}, func(r *http.Request) wire.Stream { return wire.Stream{Ring: ring, From: after(r)} }).start()
				ring = n.NewRing(wire.RingConfig{Begin: uint64(tt.begin), History: func(_ context.Context, after wire.Cursor, _ uint64, b *wire.Batch) error {
					if after.Seq < 2 {
						b.Add(frame(1, 100))
						b.Add(frame(2, tt.size))
						b.End(nil)
						return nil
					}
					for seq := 3; seq <= tt.begin; seq++ {
						b.Add(frame(seq, 100))
					}
					return nil
				}})
				defer ring.Close()
				ring.Append([]wire.Frame{frame(tt.begin+1, 100)}, uint64(tt.begin+1))
				v := n.connect("/?after=0")
				v.sequence(t, 1, 2)
				if got := v.rest(t); got != "" {
					t.Errorf("behind the end comes %.40q", got)
				}
				n.endsWith(nil)
				n.connect("/?after=2").sequence(t, 3, tt.begin+1)
			})
		})
	}
}
