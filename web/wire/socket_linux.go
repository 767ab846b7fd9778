package wire

import (
	"math/rand/v2"

	"golang.org/x/sys/unix"
)

// socket is a viewer's connection. Its loop alone touches it.
type socket struct {
	v     *Viewer
	loop  *loop
	fd    int32 // -1 once it is closed
	slot  int32 // in the loop's table
	place int32 // in share
	want  int32 // bytes of history to ask for next; 0 is few

	mode    mode
	joined  bool  // it is in the loop's table
	blocked bool  // the kernel takes no more until it says so
	stuck   bool  // it has taken nothing since
	ending  bool  // last words are next
	closing bool  // they are in rest
	ours    bool  // the kernel does not give it up, see leave
	quiet   uint8 // looks in turn at which the kernel had bytes and none had been acknowledged since the last

	share *share     // of its ring
	pos   uint64     // among the ring's bytes, if mode is live
	rest  *remainder // to be sent before anything else; nil if there is none

	why   error  // it ends
	next  uint64 // tick of the next look at it
	until uint64 // tick of its end; 0 is never
	since uint32 // tick of the last progress, its low bits
	acked uint32 // as queue told at the last look, while ours
	timed timed
}

// remainder is the end of what was begun, which goes to the end of a frame.
type remainder struct {
	bytes  []byte
	frames int      // that are sent with it
	pin    *segment // that it lies in, if that is counted
	box    []byte   // of the outbox, if it is of that
}

// mode is where a viewer's frames come from.
type mode uint8

const (
	own    mode = iota // its outbox
	live               // the ring
	ahead              // the ring, once that has come to the viewer's place
	behind             // history, which is to be asked for
	asked              // history, which was
)

func newSocket(l *loop, v *Viewer, fd int) *socket {
	bound(fd, l.w.config.SocketBytes, v.patience())
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 2<<10) // nothing more is read
	return &socket{v: v, loop: l, fd: int32(fd)}
}

// period is how many ticks lie between looks at it.
func (s *socket) period() uint64 {
	if s.v.keepAlive > 0 {
		return ticks(s.v.keepAlive)
	}
	return ticks(s.loop.w.config.Patience)
}

// post is called by the viewer when it has news.
func (s *socket) post(*Viewer) { s.loop.mail.putSocket(s) }

// phase is how long until the first look, random so that viewers who came together are not looked at
// together ever after.
func (s *socket) phase() uint64 { return 1 + rand.N(s.period()) }

// due is the tick of what comes next.
func (s *socket) due() uint64 {
	if s.until != 0 && !s.ending {
		return min(s.next, s.until)
	}
	return s.next
}

// end has the stream end behind what it has.
func (s *socket) end(why error) {
	if s.ending {
		return
	}
	s.ending, s.why = true, why
	if s.v.box != nil {
		s.v.box.close()
	}
}

// write gives the kernel what it takes of bufs, and returns how much that is. If that is nothing,
// blocked is set. An error says that the connection is gone.
func (s *socket) write(bufs [][]byte) (n int, err error) {
	for {
		if len(bufs) == 1 {
			n, err = unix.Write(int(int(s.fd)), bufs[0])
		} else {
			n, err = unix.Writev(int(int(s.fd)), bufs)
		}
		switch err {
		case nil:
			return n, nil
		case unix.EINTR:
		case unix.EAGAIN:
			s.blocked = true
			return 0, nil
		default:
			return 0, err
		}
	}
}

// close ends the connection so that what was written still arrives: a FIN behind it, and not the
// reset that unread bytes would make of it.
func (s *socket) close() {
	var unread [4 << 10]byte
	for range 16 {
		if n, err := unix.Read(int(int(s.fd)), unread[:]); n <= 0 || err != nil {
			break
		}
	}
	_ = unix.Close(int(s.fd))
}

// reset ends the connection at once, with what the kernel still has of it.
func (s *socket) reset() {
	_ = unix.SetsockoptLinger(int(int(s.fd)), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(int(s.fd))
}
