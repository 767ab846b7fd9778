package program

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// Cutter passes connections on to a server and cuts each after a random number of bytes from it:
// between frames and within them, in headers too, by an orderly end or a reset.
type Cutter struct {
	t      testing.TB
	server string // host:port
	l      net.Listener
	wg     sync.WaitGroup

	mu    sync.Mutex
	rand  *rand.Rand
	least int // bytes that a connection gets at least
	most  int // and fewer than this
	cuts  int
	open  map[net.Conn]struct{}
	ended bool
}

// NewCutter starts a cutter before s, which ends with the test. A connection gets at least so many
// bytes and fewer than most; how many is drawn, and the seed logged.
func NewCutter(s *Server, least, most int) *Cutter {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	seed := rand.Uint64()
	s.t.Logf("seed of the cuts: %d", seed)
	c := &Cutter{
		t: s.t, server: s.address, l: l, rand: rand.New(rand.NewPCG(seed, 0)),
		least: least, most: most, open: map[net.Conn]struct{}{},
	}
	c.wg.Go(c.accept)
	s.t.Cleanup(c.close)
	return c
}

// URL is where the server is reached through the cutter.
func (c *Cutter) URL() string { return "http://" + c.l.Addr().String() }

// Cuts is how many connections were cut so far, each while the server sent on it.
func (c *Cutter) Cuts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cuts
}

func (c *Cutter) accept() {
	for {
		conn, err := c.l.Accept()
		if err != nil {
			return // closed
		}
		c.wg.Go(func() { c.pass(conn.(*net.TCPConn)) })
	}
}

// pass serves one connection. Where the server is down it is closed at once.
func (c *Cutter) pass(viewer *net.TCPConn) {
	defer viewer.Close()
	conn, err := net.DialTimeout("tcp", c.server, 10*time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	if !c.enter(viewer, conn) {
		return
	}
	defer c.leave(viewer, conn)
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(conn, viewer) // its end is seen on the other way
		conn.Close()
	})
	budget, reset := c.draw()
	if _, err := io.CopyN(viewer, conn, budget); err == nil {
		c.cut(viewer, reset)
	}
	viewer.Close()
	conn.Close()
	up.Wait()
}

// draw says after how many bytes the next connection is cut, and whether by a reset.
func (c *Cutter) draw() (bytes int64, reset bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(c.least + c.rand.IntN(c.most-c.least)), c.rand.IntN(2) == 0
}

// cut counts, and makes the close that follows a reset if it is to be one.
func (c *Cutter) cut(viewer *net.TCPConn, reset bool) {
	if reset {
		_ = viewer.SetLinger(0) // an orderly end will do where that fails
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts++
}

func (c *Cutter) enter(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		c.open[conn] = struct{}{}
	}
	return !c.ended
}

func (c *Cutter) leave(conns ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		delete(c.open, conn)
	}
}

func (c *Cutter) close() {
	if err := c.l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		c.t.Error(err)
	}
	c.mu.Lock()
	c.ended = true
	for conn := range c.open {
		conn.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
}
