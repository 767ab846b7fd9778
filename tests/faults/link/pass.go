package link

import (
	"net"
	"slices"
	"sync"
	"time"
)

const (
	pieceBytes  = 32 << 10
	queuePieces = 64 // that wait in one direction of one connection; then the sender has to wait
	dialTimeout = 5 * time.Second
)

// pass carries one connection. Where nobody listens it is closed, as it would be without the link.
func (l *Link) pass(from net.Conn) {
	defer l.leave(from)
	if !l.await(func() bool { return !l.forth.Blocked && !l.back.Blocked }) {
		return
	}
	to, err := net.DialTimeout("tcp", l.to, dialTimeout)
	if err != nil {
		return
	}
	defer to.Close()
	if !l.enter(from, to) {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { l.carry(to, from, &l.forth) })
	wg.Go(func() { l.carry(from, to, &l.back) })
	wg.Wait()
}

// piece is bytes on their way.
type piece struct {
	data []byte
	due  time.Time
}

// carry moves one direction until the sender has ended it or a connection is closed. The end is
// passed on behind the last bytes.
func (l *Link) carry(to, from net.Conn, quality *Quality) {
	queue := make(chan piece, queuePieces)
	gone := make(chan struct{}) // nobody takes what is queued any more
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(gone)
		if !l.deliver(to, queue, quality) {
			from.Close() // so that gather ends
		}
	})
	l.gather(from, queue, gone, quality)
	close(queue)
	wg.Wait()
}

// gather reads pieces, and says of each when it is due.
func (l *Link) gather(from net.Conn, queue chan<- piece, gone <-chan struct{}, quality *Quality) {
	var last time.Time
	buf := make([]byte, pieceBytes)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			due := l.due(quality)
			if due.Before(last) {
				due = last
			}
			last = due
			select {
			case queue <- piece{slices.Clone(buf[:n]), due}:
			case <-gone:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (l *Link) due(quality *Quality) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	late := quality.Latency
	if quality.Jitter > 0 {
		late += time.Duration(l.rand.Int64N(int64(quality.Jitter)))
	}
	if l.rand.Float64() < quality.Loss {
		late += quality.Recovery
	}
	return time.Now().Add(late)
}

// deliver writes pieces when they are due and the direction is not blocked, and then the end. It
// returns whether all went through.
func (l *Link) deliver(to net.Conn, queue <-chan piece, quality *Quality) bool {
	passes := func() bool { return !quality.Blocked }
	for p := range queue {
		if !l.sleep(time.Until(p.due)) || !l.await(passes) {
			return false
		}
		if _, err := to.Write(p.data); err != nil {
			return false
		}
		l.passed.Add(uint64(len(p.data)))
	}
	return l.await(passes) && to.(*net.TCPConn).CloseWrite() == nil
}

// sleep returns false if the link was closed meanwhile.
func (l *Link) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.closed:
		return false
	}
}

// await waits until the qualities are as they should be; good is called with the mutex held. It
// returns false if the link was closed meanwhile.
func (l *Link) await(good func() bool) bool {
	for {
		l.mu.Lock()
		ok, changed := good(), l.changed
		l.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-l.closed:
			return false
		}
	}
}

// enter notes the other side of a connection. It returns false if that was cut meanwhile.
func (l *Link) enter(from, to net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.open[from]; !ok {
		return false
	}
	l.open[from] = to
	return true
}

func (l *Link) leave(from net.Conn) {
	from.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, from)
}
