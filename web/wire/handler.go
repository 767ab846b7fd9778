package wire

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"time"
)

// handler serves one viewer with the goroutine of its request.
type handler struct {
	v    *Viewer
	rw   http.ResponseWriter
	rc   *http.ResponseController
	conn *net.TCPConn // nil if it is not known
	left <-chan struct{}
	bell chan struct{} // cap 1: there is news

	patience time.Duration
	ours     bool   // the kernel does not give the connection up, see leave
	acked    uint32 // as queueTCP told at the last keep-alive, while ours
	quiet    int    // keep-alives in turn at which that was the same
	buf      []byte
	asked    bool          // for history
	want     int           // bytes of it to ask for next
	until    time.Duration // as of news
	why      error
	next     time.Time // keep-alive; zero is never
}

// gathered is what goes out in one write, and what comes then.
type gathered struct {
	bytes  []byte
	frames int
	box    []byte          // to be given back to the outbox
	wake   <-chan struct{} // of the ring, if there was nothing
	again  bool            // there may be more at once
	over   bool            // nothing follows
	why    error
}

const (
	handlerBytes = 64 << 10 // that go out together, if they are more than one frame
	handlerPiece = 16 << 10 // what a viewer has to take to be given more time
)

// serveHere serves v until its stream is over.
func (w *Writers) serveHere(rw http.ResponseWriter, r *http.Request, v *Viewer, first []byte) {
	h := &handler{
		v: v, rw: rw, rc: http.NewResponseController(rw), left: r.Context().Done(),
		bell: make(chan struct{}, 1), patience: v.patience(),
	}
	why := ErrLeft
	defer func() { v.leave(why) }()
	if h.conn = tcpConn(r); h.conn != nil {
		boundTCP(h.conn, w.config.SocketBytes, h.patience)
	}
	if v.keepAlive > 0 {
		h.next = time.Now().Add(rand.N(v.keepAlive) + 1)
	}
	v.serveBy(h)
	rw.WriteHeader(http.StatusOK)
	if why = h.run(first); errors.Is(why, ErrSlow) {
		w.cut.Add(1)
	}
}

func (h *handler) post(*Viewer) {
	select {
	case h.bell <- struct{}{}:
	default:
	}
}

// run writes until the stream is over, and returns why it is.
func (h *handler) run(first []byte) error {
	err := h.flush(first)
	for err == nil {
		g := h.gather()
		if len(g.bytes) > 0 {
			if err = h.flush(g.bytes); err != nil {
				break
			}
			h.v.w.delivered.Add(uint64(g.frames))
			if g.box != nil {
				h.v.box.wrote(g.box)
			}
		}
		switch {
		case g.over:
			return h.lastWords(g.why)
		case h.due():
			return h.lastWords(h.why)
		case len(g.bytes) == 0 && !g.again:
			err = h.wait(g.wake)
		}
	}
	return err
}

// due tells whether it is time to end.
func (h *handler) due() bool { return h.until != 0 && time.Since(h.v.w.made) >= h.until }

// gather collects what the viewer lacks, up to a bound.
func (h *handler) gather() (g gathered) {
	n := h.v.read()
	h.until, h.why = n.until, n.why
	switch {
	case n.given != nil && n.given.err != nil:
		g.over, g.why = true, n.given.err
	case h.v.box != nil:
		if h.due() {
			h.v.box.close()
			g.why = h.why
		}
		g.bytes, g.box, g.frames, g.over = h.v.box.take(false)
	case n.given != nil:
		h.asked = false
		h.fromBatch(n.given.batch, &g)
	case !h.asked:
		h.fromRing(&g)
	}
	return g
}

func (h *handler) fromRing(g *gathered) {
	var ok bool
	g.bytes, h.v.at, g.frames, g.wake, ok = h.v.ring.read(h.buf[:0], h.v.at, handlerBytes)
	if h.buf = nil; cap(g.bytes) <= 4<<10 { // an idle viewer keeps no large buffer
		h.buf = g.bytes
	}
	switch {
	case !ok:
		h.asked = true
		h.v.ring.ask(h.v, h.v.at, h.want)
		return
	case g.frames == 0 && g.wake == nil:
		g.over, g.why = h.v.ring.over()
	}
	h.want = 0
}

// fromBatch takes one write's bytes of a batch. The rest is asked for again, so that a viewer in the
// midst of a write keeps no more than that.
func (h *handler) fromBatch(b *Batch, g *gathered) {
	for i := b.seg.after(h.v.at); i < len(b.seg.marks); i++ {
		body := chunkBody(b.seg.mem[b.seg.begin(i):b.seg.marks[i].end])
		if g.frames > 0 && len(g.bytes)+len(body) > handlerBytes {
			return
		}
		g.bytes, h.v.at = append(g.bytes, body...), b.seg.marks[i].at
		g.frames++
	}
	h.v.at, h.want = b.at, nextWant(b.want)
	g.again, g.over, g.why = true, b.ended, b.why
}

// wait waits for news, the ring, or the time to do something, which it does.
func (h *handler) wait(wake <-chan struct{}) error {
	var timer <-chan time.Time
	at := h.next
	if h.until != 0 {
		at = earlier(at, h.v.w.made.Add(h.until))
	}
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-h.left:
		return ErrLeft
	case <-wake:
	case <-h.bell:
	case now := <-timer:
		if !h.next.IsZero() && !now.Before(h.next) {
			h.next = now.Add(h.v.keepAlive)
			if !h.bears() {
				return ErrSlow
			}
			return h.flush(h.v.keepAliveBlock())
		}
	}
	return nil
}

// bears tells whether the viewer takes what the kernel has for it as it should, as far as the kernel is
// not to judge that.
func (h *handler) bears() bool {
	if !h.ours {
		return true
	}
	waits, acked := queueTCP(h.conn)
	if !waits {
		h.ours = false
		leaveTCP(h.conn, h.patience, false)
		return true
	}
	if h.quiet++; acked != h.acked {
		h.quiet, h.acked = 0, acked
	}
	return time.Duration(h.quiet)*h.v.keepAlive < h.patience
}

// earlier is the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// flush writes b and sends it on its way. A viewer that does not take a piece of it in time is cut.
func (h *handler) flush(b []byte) (err error) {
	begin := time.Now()
	for len(b) > 0 && err == nil {
		piece := b[:min(len(b), handlerPiece)]
		b = b[len(piece):]
		_ = h.rc.SetWriteDeadline(time.Now().Add(h.patience)) // a connection that has none fails at the write
		_, err = h.rw.Write(piece)
	}
	if err == nil {
		err = h.rc.Flush()
	}
	h.v.w.writes.Add(1)
	switch {
	case err == nil:
		if !h.ours && h.conn != nil && h.v.keepAlive > 0 && time.Since(begin) > h.patience/8 {
			h.ours, h.quiet = true, 0
			leaveTCP(h.conn, h.patience, true)
		}
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrSlow
	}
	return ErrLeft
}

// lastWords ends the stream from this side, and returns why.
func (h *handler) lastWords(why error) error {
	if why == nil {
		return nil
	}
	if b := h.v.w.config.LastWords(why); len(b) > 0 {
		if err := h.flush(b); err != nil {
			return err
		}
	}
	return why
}
