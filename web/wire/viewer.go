package wire

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Stream is what one viewer is to get.
type Stream struct {
	// Ring is the channel that it follows, from behind a cursor on. nil is a stream of its own, which
	// Put fills.
	Ring *Ring
	From Cursor

	// Of a stream of its own: the bytes that wait at most, default 256 KiB; whether Put returns only
	// once they are written; and what RingConfig.Position is to a ring.
	QueueBytes int
	Acked      bool
	Position   func(seq uint64) []byte

	KeepAlive time.Duration // between keep-alives, the first after a random part of it; 0 sends none
	Until     time.Time     // when it ends of itself; zero is never
	UntilWhy  error

	// Groups it is counted in, and can be ended by.
	Groups []string

	// Ended is called once, when the viewer is gone and nothing of it is left: with nil if the stream
	// was complete, ErrLeft, ErrSlow, or why it was ended. It must not block, for it runs where others
	// are served. It is not called if Serve returns an error.
	Ended func(why error)
}

// Viewer is one open stream. Its methods are safe for concurrent use and none waits for the network
// but Put.
type Viewer struct {
	w         *Writers
	ring      *Ring
	box       *outbox // of a stream of its own
	keepAlive time.Duration
	groups    []string
	ended     func(error)
	at        Cursor // behind what it was sent of the ring; its writer's alone
	place     int32  // in the crowd

	posted bool // the writer was told to look
	over   bool // nobody writes any more
	mu     sync.Mutex
	writer writer // who is to look at the news; nil before Serve
	news   news
}

// writer writes for viewers. post must not block; it is called at most once until Viewer.read.
type writer interface{ post(v *Viewer) }

// news is what others want of a viewer's writer.
type news struct {
	until time.Duration // when it is to end, since the Writers were made; 0 is never
	why   error
	given *given
}

// given is the history that a viewer asked for, or why there is none.
type given struct {
	batch *Batch
	err   error
}

// NewViewer makes a viewer, which Serve connects. A stream of its own may be filled before.
func (w *Writers) NewViewer(s Stream) *Viewer {
	v := &Viewer{
		w: w, ring: s.Ring, at: s.From, keepAlive: s.KeepAlive, groups: s.Groups, ended: s.Ended,
		news: news{until: w.moment(s.Until), why: s.UntilWhy},
	}
	if s.Ring == nil {
		if s.QueueBytes <= 0 {
			s.QueueBytes = 256 << 10
		}
		v.box = &outbox{bound: s.QueueBytes, acked: s.Acked, position: s.Position}
	}
	return v
}

// leastPatience is with viewers whose keep-alives come faster than networks recover.
const leastPatience = time.Second

// patience is how long the viewer may take none of the bytes that wait for it.
func (v *Viewer) patience() time.Duration {
	most := v.w.config.Patience
	if v.keepAlive == 0 {
		return most
	}
	return max(v.keepAlive, min(most, leastPatience))
}

// Put gives the viewer of a stream of its own frames that encode appends, as one. It waits while too
// many bytes wait, and for them to be written if the stream is acknowledged. seq is the position
// after them, 0 if they have none. It returns ErrEnded once the stream is over, or ctx's cause.
func (v *Viewer) Put(ctx context.Context, frames int, seq uint64, encode func([]byte) []byte) error {
	return v.box.put(ctx, frames, seq, encode, v.poke)
}

// Advance says that the viewer of a stream of its own has missed nothing up to seq.
func (v *Viewer) Advance(seq uint64) { v.box.advance(seq) }

// Close ends a stream of its own behind what was put.
func (v *Viewer) Close() {
	v.box.close()
	v.poke()
}

// End ends the stream, behind what waits if the viewer takes it at once, and behind
// Config.LastWords in any case. It returns at once.
func (v *Viewer) End(why error) { v.EndWithin(why, 0) }

// EndWithin is End at a random moment within a time.
func (v *Viewer) EndWithin(why error, within time.Duration) {
	v.endAt(time.Now().Add(time.Duration(rand.Float64()*float64(within))), why)
}

// endAt ends the stream at a time, unless it ends earlier.
func (v *Viewer) endAt(t time.Time, why error) {
	at := v.w.moment(t)
	v.tell(func(n *news) {
		if n.until == 0 || at < n.until {
			n.until, n.why = at, why
		}
	})
}

// give gives the viewer the history that it asked for.
func (v *Viewer) give(b *Batch, err error) {
	v.tell(func(n *news) { n.given = &given{b, err} })
}

// poke says that the outbox has something.
func (v *Viewer) poke() { v.tell(func(*news) {}) }

func (v *Viewer) tell(change func(*news)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over {
		return
	}
	change(&v.news)
	if v.writer != nil && !v.posted {
		v.posted = true
		v.writer.post(v)
	}
}

// serveBy has w look at the news from now on.
func (v *Viewer) serveBy(w writer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.writer = w
	v.posted = true
	w.post(v)
}

// read is the news; what is given is read once.
func (v *Viewer) read() news {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.news
	v.posted, v.news.given = false, nil
	return n
}

// untilWhy is why the stream ends of itself.
func (v *Viewer) untilWhy() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.news.why
}

func (v *Viewer) gone() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.over
}

// leave is the last that a writer does.
func (v *Viewer) leave(why error) {
	v.mu.Lock()
	v.over, v.news = true, news{}
	v.mu.Unlock()
	if v.box != nil {
		v.box.fail()
	}
	v.w.crowd.leave(v, func() {
		if v.ended != nil {
			v.ended(why)
		}
	})
}
