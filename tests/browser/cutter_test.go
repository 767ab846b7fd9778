package browser

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// cutter passes connections on to a server and cuts each after a random number of bytes from it:
// between frames and within them, in headers too, by an orderly end or a reset.
type cutter struct {
	t      *testing.T
	server string // host:port
	l      net.Listener

	mu    sync.Mutex
	rand  *rand.Rand
	least int // bytes that a connection gets at least
	most  int // and fewer than this
	cuts  int
	open  map[net.Conn]struct{}
	ended bool
	wg    sync.WaitGroup
}

// newCutter starts a cutter whose cuts follow from the seed.
func newCutter(t *testing.T, server string, seed uint64, least, most int) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{
		t: t, server: server, l: l, rand: rand.New(rand.NewPCG(seed, 0)),
		least: least, most: most, open: map[net.Conn]struct{}{},
	}
	c.wg.Go(c.accept)
	t.Cleanup(c.close)
	return c
}

func (c *cutter) url() string { return "http://" + c.l.Addr().String() }

// count is how many connections were cut so far, each while the server sent on it.
func (c *cutter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cuts
}

func (c *cutter) accept() {
	for {
		conn, err := c.l.Accept()
		if err != nil {
			return // closed
		}
		c.wg.Go(func() { c.pass(conn.(*net.TCPConn)) })
	}
}

// pass serves one connection. Where the server is down it is closed at once.
func (c *cutter) pass(viewer *net.TCPConn) {
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
	n, err := io.CopyN(viewer, conn, budget)
	if err == nil && n == budget {
		c.cut(viewer, reset)
	}
	viewer.Close()
	conn.Close()
	up.Wait()
}

// draw says after how many bytes the next connection is cut, and whether by a reset.
func (c *cutter) draw() (bytes int64, reset bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(c.least + c.rand.IntN(c.most-c.least)), c.rand.IntN(2) == 0
}

func (c *cutter) cut(viewer *net.TCPConn, reset bool) {
	if reset {
		_ = viewer.SetLinger(0)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts++
}

func (c *cutter) enter(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		c.open[conn] = struct{}{}
	}
	return !c.ended
}

func (c *cutter) leave(conns ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		delete(c.open, conn)
	}
}

func (c *cutter) close() {
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
