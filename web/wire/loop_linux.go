package wire

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	tick       = 25 * time.Millisecond // what times are rounded up to
	sweepSlice = 128                   // viewers of one ring that are served before another's
	sweepTurn  = 512                   // viewers that are served before events are looked at
)

// loop serves its viewers with one goroutine. What others want of it comes by mail.
type loop struct {
	w     *Writers
	epoll int
	mail  mail
	start time.Time
	wheel wheel

	table     []*socket // by slot; nil is free
	uses      []int32   // of each slot so far: an event for a socket of before is known by it
	free      []int32
	shares    map[*Ring]*share
	dirty     []*share // with sockets to be served
	rested    []*share // with sockets to be served once it is restUntil
	restUntil time.Time
	view      view
	seen      *Ring // that view is of, while it is fresh enough
	in        letters
	one       [1][]byte
}

func openLoops(w *Writers, n int) (loops []*loop, err error) {
	for range n {
		l, err := openLoop(w)
		if err != nil {
			for _, l := range loops {
				l.close()
			}
			return nil, err
		}
		loops = append(loops, l)
	}
	return loops, nil
}

// bellSlot is the bell's in place of a socket's.
const bellSlot = -1

func openLoop(w *Writers) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create eventfd: %w", err), unix.Close(epoll))
	}
	l := &loop{w: w, epoll: epoll, mail: mail{bell: bell}, start: time.Now(), shares: map[*Ring]*share{}}
	// Edge-triggered, so that the bell need not be read: each ring is an event.
	if err := l.watch(bell, bellSlot, 0, unix.EPOLLIN); err != nil {
		l.close()
		return nil, fmt.Errorf("watch eventfd: %w", err)
	}
	return l, nil
}

// watch has events of fd come with a slot and how often that was used.
func (l *loop) watch(fd int, slot, use int32, events uint32) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events | unix.EPOLLET, Fd: slot, Pad: use})
}

func (l *loop) close() {
	_ = unix.Close(l.mail.bell)
	_ = unix.Close(l.epoll)
}

// cut ends all viewers at once, and those who come from now on.
func (l *loop) cut() { l.mail.put(func(in *letters) { in.cut = true }) }

// stop has run return.
func (l *loop) stop() { l.mail.put(func(in *letters) { in.stop = true }) }

func (l *loop) run() {
	defer l.close()
	var events [256]unix.EpollEvent
	for !l.in.stop {
		n, err := unix.EpollWait(l.epoll, events[:], l.timeout())
		if err != nil && err != unix.EINTR {
			panic(fmt.Sprintf("wait for events: %v", err)) // the descriptor is ours and open
		}
		for i := range max(n, 0) {
			l.event(&events[i])
		}
		l.wheel.turn(uint64(time.Since(l.start)/tick), l.timer)
		l.readMail()
		l.goOn()
		l.sweep()
	}
}

// timeout is how long to wait for events, in milliseconds.
func (l *loop) timeout() int {
	if len(l.dirty) > 0 || !l.mail.sleep() {
		return 0
	}
	next, ok := l.wheel.next()
	wait := time.Duration(next)*tick - time.Since(l.start)
	if len(l.rested) > 0 {
		if rest := time.Until(l.restUntil); !ok || rest < wait {
			wait, ok = rest, true
		}
	}
	if !ok {
		return -1
	}
	return max(int((wait+time.Millisecond-1)/time.Millisecond), 0)
}

func (l *loop) event(e *unix.EpollEvent) {
	if e.Fd == bellSlot {
		return
	}
	s := l.table[e.Fd]
	switch {
	case s == nil || l.uses[e.Fd] != e.Pad:
	case e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0:
		l.drop(s, ErrLeft)
	case s.blocked:
		s.blocked = false
		if s.ending && s.mode == live {
			s.mode = asked // it had its time to take what waits
		}
		l.flush(s)
	}
}

func (l *loop) readMail() {
	l.mail.take(&l.in)
	for _, s := range l.in.sockets {
		l.news(s)
	}
	for _, sh := range l.in.shares {
		l.soil(sh)
	}
	if l.in.cut {
		for _, s := range l.table {
			if s != nil {
				l.drop(s, ErrDraining)
			}
		}
	}
	l.in.letGo()
}

// soil has the viewers of a share served. Those who are left of a time before are first, or the last
// of them would never be.
func (l *loop) soil(sh *share) {
	switch {
	case len(sh.sockets) == 0:
	case sh.resting:
		l.mail.hush(sh) // it was put before it rested
	case sh.left > 0:
		sh.more = true
	default:
		l.begin(sh)
	}
}

func (l *loop) begin(sh *share) {
	sh.begin()
	if !sh.queued {
		sh.queued = true
		l.dirty = append(l.dirty, sh)
	}
}

// rest leaves a share alone for a time, or as long as those that rest already.
func (l *loop) rest(sh *share, d time.Duration) {
	if len(l.rested) == 0 {
		l.restUntil = time.Now().Add(d)
	}
	l.w.rests.Add(1)
	sh.resting = true
	l.rested = append(l.rested, sh)
	l.mail.hush(sh)
}

// goOn serves those that have rested.
func (l *loop) goOn() {
	if len(l.rested) == 0 || time.Now().Before(l.restUntil) {
		return
	}
	for i, sh := range l.rested {
		sh.resting = false
		l.mail.listen(sh) // before the round looks at the ring, so that nothing is missed
		l.soil(sh)
		l.rested[i] = nil
	}
	l.rested = l.rested[:0]
}

// sweep serves some of the viewers that have something to get, a few of each ring in turn. It ends an
// iteration of run.
func (l *loop) sweep() {
	for budget := sweepTurn; budget > 0 && len(l.dirty) > 0; budget -= sweepSlice {
		sh := l.dirty[0]
		l.dirty = l.dirty[1:]
		l.sweepOne(sh)
		sh.queued = false
		switch {
		case sh.left > 0:
			sh.queued = true
			l.dirty = append(l.dirty, sh)
		case sh.more:
			if d := sh.rest(); d > 0 {
				l.rest(sh, d)
			} else {
				l.begin(sh)
			}
		}
	}
	if len(l.dirty) == 0 {
		l.view.drop() // it may be long until the next look
	}
}

func (l *loop) sweepOne(sh *share) {
	l.view.look(sh.ring)
	l.seen = sh.ring
	for n := 0; n < sweepSlice && sh.left > 0; n++ {
		sh.left--
		if s := sh.sockets[sh.left]; !s.blocked && s.mode != asked {
			l.flush(s)
		}
	}
	l.seen = nil
}

// join takes a socket into the table.
func (l *loop) join(s *socket) error {
	if n := len(l.free); n > 0 {
		s.slot, l.free = l.free[n-1], l.free[:n-1]
	} else {
		s.slot = int32(len(l.table))
		l.table, l.uses = append(l.table, nil), append(l.uses, 0)
	}
	l.table[s.slot] = s
	s.joined = true
	if r := s.v.ring; r != nil {
		l.shareOf(r).add(s)
		l.seek(s)
	}
	s.next = l.wheel.now + s.phase()
	l.wheel.set(s, s.due())
	return l.watch(int(s.fd), s.slot, l.uses[s.slot], unix.EPOLLOUT|unix.EPOLLRDHUP)
}

func (l *loop) shareOf(r *Ring) *share {
	sh := l.shares[r]
	if sh == nil {
		sh = &share{loop: l, ring: r}
		l.shares[r] = sh
		r.listen(sh)
	}
	return sh
}

// drop lets go of a socket, at once.
func (l *loop) drop(s *socket, why error) {
	if errors.Is(why, ErrSlow) {
		l.w.cut.Add(1)
	}
	switch {
	case s.stuck:
		s.reset()
	case s.closing:
		s.close()
	default:
		_ = unix.Close(int(s.fd))
	}
	s.fd = -1
	l.unpin(s)
	l.wheel.remove(s)
	if sh := s.share; sh != nil {
		if sh.remove(s); len(sh.sockets) == 0 {
			sh.ring.ignore(sh)
			delete(l.shares, sh.ring)
		}
	}
	l.table[s.slot] = nil
	l.uses[s.slot]++
	l.free = append(l.free, s.slot)
	s.v.leave(why)
}
