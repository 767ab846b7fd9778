// Package wire brings frames to viewers: many open responses, few bytes each, and none of them waits
// for another.
//
// A Ring keeps what a channel sent of late, encoded once. A Viewer is a cursor into a ring, or has
// frames of its own, and one write carries all that it lacks. Plain HTTP/1.1 connections are taken
// over from net/http and served by a few loops that write without blocking and learn from epoll who left
// and who can take more; such a viewer has no goroutine and no buffer.
// Others (TLS, HTTP/2, HTTP/1.0, systems without epoll) are served by the goroutine of their handler.
// Callers see no difference.
//
// The package owns the connections from the response's head to its end, keep-alives, time limits,
// the bounds on what slow viewers cost, and the count of who is there. It knows nothing of who may
// see what, what an event means, or where history lies: that is read through RingConfig.History.
package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Why a viewer ended, or was not served.
var (
	// ErrLeft is of a viewer that closed its connection or whose network is gone.
	ErrLeft = errors.New("the viewer left")
	// ErrSlow is of a viewer that did not take its bytes.
	ErrSlow = errors.New("the viewer is too slow")
	// ErrEnded is of frames for a viewer whose stream is over.
	ErrEnded = errors.New("the stream is over")
	// ErrDraining is returned by Serve once viewers are being ended for good.
	ErrDraining = errors.New("viewers are not served")
)

// Config says how Writers run. A zero field takes its default.
type Config struct {
	// Loops that serve plain HTTP/1.1 viewers; default one for two processors, and none where there is
	// no epoll. Negative is none. A busy loop keeps a processor to itself. The others store and encode what
	// comes next meanwhile, and the more comes, the more goes out in one write.
	Loops int

	// LastWords encodes what a stream ends with that ends for a reason. It may be called at any time
	// from many goroutines and must not block. nil is no last words.
	LastWords func(why error) []byte

	// Patience is how long viewers without keep-alives may take none of the bytes that wait for them.
	// For others it is the time between two keep-alives, but not less than the shorter of this and a
	// second. Who does not take any for so long is cut, at the latest after twice the time. Default 15 s.
	Patience time.Duration

	SocketBytes int // that the kernel keeps for a connection to send; default 64 KiB
	RingBytes   int // of all rings together; default 256 MiB
	ReplayBytes int // of history kept for those who come to the same place; default 16 MiB
	HeldBytes   int // of large frames that are kept only for viewers in the midst of them; default 64 MiB
}

func (c Config) withDefaults() (_ Config, err error) {
	c.Loops = cmp.Or(c.Loops, max(runtime.GOMAXPROCS(0)/2, 1))
	c.Patience = cmp.Or(c.Patience, 15*time.Second)
	c.SocketBytes = cmp.Or(c.SocketBytes, 64<<10)
	c.RingBytes = cmp.Or(c.RingBytes, 256<<20)
	c.ReplayBytes = cmp.Or(c.ReplayBytes, 16<<20)
	c.HeldBytes = cmp.Or(c.HeldBytes, 64<<20)
	if c.LastWords == nil {
		c.LastWords = func(error) []byte { return nil }
	}
	if c.Patience < 0 {
		err = errors.Join(err, fmt.Errorf("patience of %s is negative", c.Patience))
	}
	if c.SocketBytes < 0 || c.RingBytes < 0 || c.ReplayBytes < 0 || c.HeldBytes < 0 {
		err = errors.Join(err, errors.New("a bound is negative"))
	}
	return c, err
}

// Writers serve the viewers of a node. Their methods are safe for concurrent use.
type Writers struct {
	config Config
	made   time.Time // what moments count from
	crowd  crowd
	rings  rings
	shelf  shelf

	ready   chan struct{} // closed once Run has begun
	mu      sync.Mutex
	ctx     context.Context // of Run; nil before and after
	readers sync.WaitGroup  // of history
	loops   []*loop         // as long as ctx

	turn      atomic.Uint32
	delivered atomic.Uint64
	writes    atomic.Uint64
	rests     atomic.Uint64
	cut       atomic.Uint64
	reads     atomic.Uint64
	held      atomic.Int64
}

// New makes Writers. It starts nothing.
func New(c Config) (*Writers, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	return &Writers{
		config: c, made: time.Now(), ready: make(chan struct{}),
		crowd: crowd{groups: map[string]int{}, emptied: make(chan struct{})},
		rings: rings{bound: int64(c.RingBytes), all: map[*Ring]struct{}{}},
		shelf: shelf{bound: c.ReplayBytes},
	}, nil
}

// Run serves viewers until ctx ends, and then ends at once those that Drain has left. It returns when
// all are gone. It may be called once.
func (w *Writers) Run(ctx context.Context) error {
	loops, err := openLoops(w, w.config.Loops)
	if err != nil {
		return fmt.Errorf("open writer loops: %w", err)
	}
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.mu.Lock()
	w.ctx, w.loops = inner, loops
	w.mu.Unlock()
	close(w.ready)
	var running sync.WaitGroup
	for _, l := range loops {
		running.Go(l.run)
	}
	<-ctx.Done()
	w.crowd.close(ErrDraining)
	w.End("", ErrDraining, 0)
	select {
	case <-w.crowd.emptied:
	case <-time.After(lastGrace):
	}
	for _, l := range loops {
		l.cut()
	}
	<-w.crowd.emptied
	for _, l := range loops {
		l.stop()
	}
	running.Wait()
	w.mu.Lock()
	w.ctx = nil
	w.mu.Unlock()
	stop()
	w.readers.Wait()
	return ctx.Err()
}

// lastGrace is for last words when Run ends.
const lastGrace = time.Second

// Drain lets no viewer in any more, ends those who are there evenly over a time, and waits until all
// are gone or ctx ends.
func (w *Writers) Drain(ctx context.Context, why error, over time.Duration) error {
	w.crowd.close(ErrDraining)
	w.End("", why, over)
	select {
	case <-w.crowd.emptied:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// End ends the viewers of a group, or all if it is "", evenly over a time. It does not wait, and does
// not keep others from coming.
func (w *Writers) End(group string, why error, over time.Duration) {
	end(w.crowd.members(group), why, over)
}

// Viewers is how many there are now in a group, or in all if it is "".
func (w *Writers) Viewers(group string) int { return w.crowd.count(group) }

// Stats is what Writers have done since they began, and what they hold now.
type Stats struct {
	Viewers   int
	Delivered uint64 // frames
	Writes    uint64 // that carried them, or keep-alives
	Rests     uint64 // of a ring's viewers, for frames to gather in a flood of them
	Cut       uint64 // viewers, for being slow
	Reads     uint64 // of history, for viewers behind their ring
	RingBytes int64
	HeldBytes int64 // of large frames for viewers in the midst of them
}

// Stats returns the figures of this moment.
func (w *Writers) Stats() Stats {
	return Stats{
		Viewers: w.crowd.count(""), Delivered: w.delivered.Load(), Writes: w.writes.Load(), Rests: w.rests.Load(),
		Cut: w.cut.Load(), Reads: w.reads.Load(), RingBytes: w.rings.bytes.Load(), HeldBytes: w.held.Load(),
	}
}

// moment is a time as a viewer keeps it: since the Writers were made, more than 0, or 0 for the zero time.
func (w *Writers) moment(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(t.Sub(w.made), 1)
}

// start runs f until Run's end, or returns false if that has come.
func (w *Writers) start(f func(ctx context.Context)) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx == nil {
		return false
	}
	ctx := w.ctx
	w.readers.Go(func() { f(ctx) })
	return true
}

// loop is the next one's turn, or nil if there are none.
func (w *Writers) loop() *loop {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.loops) == 0 {
		return nil
	}
	return w.loops[int(w.turn.Add(1))%len(w.loops)]
}
