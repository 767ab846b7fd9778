package wire

import (
	"encoding/binary"
	"sync"

	"golang.org/x/sys/unix"
)

// mail is what others tell a loop. Each socket and each share is in it once at most.
type mail struct {
	bell int // eventfd in the loop's epoll

	mu     sync.Mutex
	asleep bool // the bell must be rung
	unread bool
	letters
}

// letters is the content of a mail.
type letters struct {
	sockets []*socket
	shares  []*share
	cut     bool // all viewers, and those who come
	stop    bool // the loop
}

func (m *mail) put(write func(*letters)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	write(&m.letters)
	m.ring()
}

// ring wakes the loop for what was put. mu is held.
func (m *mail) ring() {
	m.unread = true
	if m.asleep {
		m.asleep = false
		var word [8]byte
		binary.NativeEndian.PutUint64(word[:], 1)
		_, _ = unix.Write(m.bell, word[:]) // it fails only once it was rung 2⁶⁴ times
	}
}

func (m *mail) putSocket(s *socket) {
	m.put(func(in *letters) { in.sockets = append(in.sockets, s) })
}

func (m *mail) putShare(sh *share) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !sh.told {
		sh.told = true
		m.shares = append(m.shares, sh)
		m.ring()
	}
}

// hush keeps a share from being put, until listen.
func (m *mail) hush(sh *share) { m.setTold(sh, true) }

func (m *mail) listen(sh *share) { m.setTold(sh, false) }

func (m *mail) setTold(sh *share, told bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sh.told = told
}

// sleep says that the loop is about to, and returns false if it must not since there is mail.
func (m *mail) sleep() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asleep = !m.unread
	return m.asleep
}

// take moves all mail into in, which was let go of and whose memory is used again.
func (m *mail) take(in *letters) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asleep, m.unread = false, false
	m.sockets, in.sockets = reuse(in.sockets), m.sockets
	m.shares, in.shares = reuse(in.shares), m.shares
	in.cut, in.stop = m.cut, m.stop
	for _, sh := range in.shares {
		sh.told = false
	}
}

// letGo forgets sockets, which may hold much, and shares: it may be long until the next mail.
func (in *letters) letGo() {
	clear(in.sockets)
	clear(in.shares)
}

// reuse is an empty slice on s's memory, unless that is more than a quiet loop should keep.
func reuse[T any](s []T) []T {
	if cap(s) > 4096 {
		return nil
	}
	return s[:0]
}
