package bench

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// pollReader reads many viewers in one goroutine, with epoll. A viewer costs a socket and its counts.
type pollReader struct {
	target *target
	epoll  int
	crew   *crew
	opened atomic.Int64

	mu      sync.Mutex
	viewers map[int32]*polled // by socket

	resting []rest // in the order in which they are over
	fast    atomic.Bool

	stop  atomic.Bool
	ended chan struct{}
}

// polled is a viewer that is connected.
type polled struct {
	*viewer
	cut bool
}

// rest is a slow viewer that does not read until then.
type rest struct {
	socket int32
	who    *polled
	until  time.Time
}

func newReader(t *target, c *crew) (reader, error) {
	if t.tls != nil {
		return newConnReader(t, c), nil
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	r := &pollReader{target: t, epoll: epoll, crew: c, viewers: map[int32]*polled{}, ended: make(chan struct{})}
	go r.run() // until close
	return r, nil
}

// wake is how often a reader looks whether it is to stop, in milliseconds.
const wake = 50

func (r *pollReader) run() {
	defer close(r.ended)
	events := make([]unix.EpollEvent, 512)
	buf := make([]byte, 256<<10)
	for !r.stop.Load() {
		n, err := unix.EpollWait(r.epoll, events, wake)
		if err != nil && err != unix.EINTR {
			r.crew.cutBy = os.NewSyscallError("epoll_wait", err)
			return
		}
		for _, event := range events[:max(n, 0)] {
			r.read(event.Fd, buf)
		}
		r.rouse()
	}
}

// read takes what one socket has, up to a buffer. More comes with the next round, when the others
// have had their turn.
func (r *pollReader) read(socket int32, buf []byte) {
	r.mu.Lock()
	who := r.viewers[socket]
	v, cut := who.viewer, who.cut
	r.mu.Unlock()
	if cut {
		r.end(socket, v, errCut, true)
		return
	}
	slow := v.slow && !r.fast.Load()
	if slow {
		buf = buf[:slowBytes]
	}
	n, err := unix.Read(int(socket), buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case n > 0:
		err = r.crew.take(v, buf[:n])
	case err == nil:
		err = errEnded
	}
	if err == nil && slow {
		err = r.listen(unix.EPOLL_CTL_MOD, socket, 0)
		r.resting = append(r.resting, rest{socket, who, time.Now().Add(slowRest)})
	}
	if err != nil {
		r.end(socket, v, err, false)
	}
}

// rouse lets those read on that have rested.
func (r *pollReader) rouse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for len(r.resting) > 0 && (r.fast.Load() || now.After(r.resting[0].until)) {
		next := r.resting[0]
		r.resting = r.resting[1:]
		if r.viewers[next.socket] == next.who { // else it has ended, and the socket may be another's
			_ = r.listen(unix.EPOLL_CTL_MOD, next.socket, unix.EPOLLIN|unix.EPOLLRDHUP) // it is there
		}
	}
}

// listen changes what epoll tells of a socket.
func (r *pollReader) listen(change int, socket int32, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(r.epoll, change, int(socket), &unix.EpollEvent{Events: events, Fd: socket}))
}

func (r *pollReader) hurry() { r.fast.Store(true) }

func (r *pollReader) end(socket int32, v *viewer, why error, cut bool) {
	r.mu.Lock()
	delete(r.viewers, socket)
	r.mu.Unlock()
	_ = unix.Close(int(socket)) // which takes it out of epoll too
	r.crew.ended(v, why, cut)
}

// cut shuts sockets down. The loop then finds them at their end.
func (r *pollReader) cut(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for socket, v := range r.viewers { // in no order
		if n == 0 {
			return
		}
		if !v.cut {
			v.cut = true
			_ = unix.Shutdown(int(socket), unix.SHUT_RDWR)
			n--
		}
	}
}

func (r *pollReader) open(v *viewer, request []byte) error {
	v.opened = r.crew.now()
	socket, err := r.connect(v.slow)
	if err != nil {
		return err
	}
	if err := sendAll(socket, request); err != nil {
		_ = unix.Close(socket)
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.listen(unix.EPOLL_CTL_ADD, int32(socket), unix.EPOLLIN|unix.EPOLLRDHUP); err != nil {
		_ = unix.Close(socket)
		return err
	}
	r.viewers[int32(socket)] = &polled{viewer: v}
	return nil
}

func (r *pollReader) close() {
	r.stop.Store(true)
	<-r.ended
	r.mu.Lock()
	defer r.mu.Unlock()
	for socket := range r.viewers {
		_ = unix.Close(int(socket))
	}
	_ = unix.Close(r.epoll)
}

// spareFiles is what a process has open besides its viewers.
const spareFiles = 64

// checkFiles refuses more connections than the process may have open.
func checkFiles(connections int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	if uint64(connections+spareFiles) > limit.Cur {
		return fmt.Errorf("%d connections need more open files than the %d that this process may have: see ulimit -n", connections, limit.Cur)
	}
	return nil
}
