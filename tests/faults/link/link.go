// Package link is a network link between two processes that can be made bad: a TCP proxy on loopback
// that holds bytes back, each way by itself, delays them, stalls as a lossy line does, or cuts all
// connections.
//
// Held bytes are not lost but late, as TCP makes it of lost packets: once a partition heals they
// arrive, unless an end has given up. A Link owns its listener, its connections and their goroutines,
// of which none outlives Close. It knows nothing of what it carries.
package link

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Quality is how good one direction of a link is. The zero Quality is a perfect line.
type Quality struct {
	Blocked bool          // nothing passes
	Latency time.Duration // that each piece is late
	Jitter  time.Duration // up to which a piece is later still; pieces never overtake each other

	// Loss is the part of pieces, from 0 to 1, that are held for Recovery, as TCP holds what follows a
	// lost packet until it was sent again.
	Loss     float64
	Recovery time.Duration
}

// Link passes connections on to one address. It is safe for concurrent use.
type Link struct {
	to        string
	l         net.Listener
	accepting sync.WaitGroup
	passing   sync.WaitGroup

	mu      sync.Mutex
	rand    *rand.Rand
	forth   Quality // from those who dial
	back    Quality // to them
	changed chan struct{}
	open    map[net.Conn]net.Conn // by the end that dialled the link; nil until the other is dialled
	closed  chan struct{}

	passed atomic.Uint64
}

// New starts a link to an address, host:port, that need not be there yet. The same seed draws the same
// jitter and losses, as far as pieces come in the same order.
func New(to string, seed uint64) (*Link, error) {
	return Listen("127.0.0.1:0", to, seed)
}

// Listen is New at a given address.
func Listen(at, to string, seed uint64) (*Link, error) {
	listener, err := net.Listen("tcp", at)
	if err != nil {
		return nil, fmt.Errorf("link to %s: %w", to, err)
	}
	l := &Link{
		to: to, l: listener, rand: rand.New(rand.NewPCG(seed, 0)),
		changed: make(chan struct{}), open: map[net.Conn]net.Conn{}, closed: make(chan struct{}),
	}
	l.accepting.Go(l.accept)
	return l, nil
}

// Address is where to dial, host:port.
func (l *Link) Address() string { return l.l.Addr().String() }

// Set changes the quality of both directions, for pieces that come from now on. What waits behind a
// block goes on at once when that is lifted.
func (l *Link) Set(forth, back Quality) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forth, l.back = forth, back
	l.tell()
}

// Cut resets all connections that exist.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for from, to := range l.open {
		reset(from)
		if to != nil {
			reset(to)
		}
	}
	clear(l.open)
}

func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0) // an orderly end will do where that fails
	conn.Close()
}

// Passed is how many bytes have gone through, both ways.
func (l *Link) Passed() uint64 { return l.passed.Load() }

// Open is how many connections lead through to the other side.
func (l *Link) Open() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, to := range l.open {
		if to != nil {
			n++
		}
	}
	return n
}

// Close ends the link and all connections on it, and waits for that. It is called once.
func (l *Link) Close() error {
	err := l.l.Close()
	l.accepting.Wait()
	close(l.closed)
	l.Cut()
	l.passing.Wait()
	return err
}

// tell wakes those who wait for another quality. The caller holds the mutex.
func (l *Link) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Link) accept() {
	for {
		conn, err := l.l.Accept()
		if err != nil {
			return // closed
		}
		l.mu.Lock()
		l.open[conn] = nil
		l.mu.Unlock()
		l.passing.Go(func() { l.pass(conn) })
	}
}
