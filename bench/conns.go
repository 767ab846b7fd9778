package bench

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dialTimeout is for connecting and sending a request.
const dialTimeout = 20 * time.Second

// dial connects to the target, with TLS if that is asked for.
func (t *target) dial() (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", t.address.String(), dialTimeout)
	if err != nil || t.tls == nil {
		return conn, err
	}
	secured := tls.Client(conn, t.tls)
	if err := secured.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return nil, err
	}
	if err := secured.Handshake(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secured, secured.SetDeadline(time.Time{})
}

// connReader reads each viewer in a goroutine of its own. It is for TLS, and for systems where one
// cannot wait for many connections.
type connReader struct {
	target *target
	mu     sync.Mutex
	crew   *crew             // guarded by mu
	conns  map[net.Conn]bool // whether it was cut
	closed bool
	fast   atomic.Bool
	wg     sync.WaitGroup
}

func newConnReader(t *target, c *crew) *connReader {
	return &connReader{target: t, crew: c, conns: map[net.Conn]bool{}}
}

func (r *connReader) open(v *viewer, request []byte) error {
	v.opened = r.crew.now()
	conn, err := r.target.dial()
	if err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		_ = conn.Close()
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = conn.Close()
		return net.ErrClosed
	}
	r.conns[conn] = false
	r.wg.Go(func() { r.read(v, conn) })
	return nil
}

func (r *connReader) read(v *viewer, conn net.Conn) {
	buf := make([]byte, 16<<10)
	for {
		piece := buf
		if v.slow && !r.fast.Load() {
			time.Sleep(slowRest)
			piece = buf[:slowBytes]
		}
		n, err := conn.Read(piece)
		r.mu.Lock()
		if n > 0 {
			if ended := r.crew.take(v, buf[:n]); ended != nil {
				err = ended
			}
		}
		if err != nil {
			if !r.closed {
				r.crew.ended(v, err, r.conns[conn])
			}
			delete(r.conns, conn)
			r.mu.Unlock()
			_ = conn.Close()
			return
		}
		r.mu.Unlock()
	}
}

func (r *connReader) hurry() { r.fast.Store(true) }

func (r *connReader) cut(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn, done := range r.conns { // in no order
		if n == 0 {
			return
		}
		if !done {
			r.conns[conn] = true
			_ = conn.Close()
			n--
		}
	}
}

func (r *connReader) close() {
	r.mu.Lock()
	r.closed = true
	for conn := range r.conns {
		_ = conn.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}
