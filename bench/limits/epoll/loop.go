//go:build linux

package main

import (
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// viewer is one stream.
type viewer struct {
	socket int32
	at     uint64 // in the ring
}

// loop writes to a share of the viewers, in one thread.
type loop struct {
	ring  *ring
	epoll int
	bell  int         // an eventfd, rung when there is something to write
	rung  atomic.Bool // and not heard yet

	mu     sync.Mutex
	joined []viewer // guarded by mu

	viewers []viewer
	index   map[int32]int
}

func newLoop(r *ring) (*loop, error) {
	l := &loop{ring: r, index: map[int32]int{}}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if l.bell, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return nil, err
	}
	return l, l.watch(l.bell, unix.EPOLLIN)
}

func (l *loop) watch(socket int, events uint32) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, socket, &unix.EpollEvent{Events: events, Fd: int32(socket)})
}

// wake tells the loop that there is something to write.
func (l *loop) wake() {
	if l.rung.CompareAndSwap(false, true) {
		_, _ = unix.Write(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

func (l *loop) join(v viewer) {
	l.mu.Lock()
	l.joined = append(l.joined, v)
	l.mu.Unlock()
	l.wake()
}

func (l *loop) run() error {
	runtime.LockOSThread()
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, event := range events[:max(n, 0)] {
			if int(event.Fd) == l.bell {
				l.hear()
			} else if i, ok := l.index[event.Fd]; ok {
				if event.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
					l.drop(i)
				} else {
					l.write(i)
				}
			}
		}
	}
}

// hear takes in who has joined and writes to all.
func (l *loop) hear() {
	var word [8]byte
	_, _ = unix.Read(l.bell, word[:])
	l.rung.Store(false)
	l.mu.Lock()
	joined := l.joined
	l.joined = nil
	l.mu.Unlock()
	for _, v := range joined {
		l.index[v.socket] = len(l.viewers)
		l.viewers = append(l.viewers, v)
		if l.watch(int(v.socket), unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET&0xffffffff) != nil {
			l.drop(len(l.viewers) - 1)
		}
	}
	for i := len(l.viewers) - 1; i >= 0; i-- {
		l.write(i)
	}
}

// write writes all that the i-th viewer lacks, or as much as its socket takes.
func (l *loop) write(i int) {
	v := &l.viewers[i]
	for {
		b, ok := l.ring.from(v.at)
		if !ok {
			l.drop(i)
			return
		}
		if len(b) == 0 {
			return
		}
		n, err := unix.Write(int(v.socket), b)
		v.at += uint64(max(n, 0))
		if err == unix.EAGAIN {
			return // epoll tells when there is room
		}
		if err != nil && err != unix.EINTR {
			l.drop(i)
			return
		}
	}
}

func (l *loop) drop(i int) {
	v, last := l.viewers[i], len(l.viewers)-1
	_ = unix.Close(int(v.socket))
	delete(l.index, v.socket)
	if i != last {
		l.viewers[i] = l.viewers[last]
		l.index[l.viewers[i].socket] = i
	}
	l.viewers = l.viewers[:last]
}
