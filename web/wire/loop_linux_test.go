package wire

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// newTestLoop is a loop that does not run, for tests that do its steps.
func newTestLoop(t *testing.T) (*Writers, *loop) {
	t.Helper()
	w, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := openLoop(w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return w, l
}

// joinTestLoop has a loop serve a viewer; peer is the other end of its socket.
func joinTestLoop(t *testing.T, w *Writers, l *loop, stream Stream) (s *socket, peer int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	v := w.NewViewer(stream)
	if err := w.crowd.enter(v); err != nil {
		t.Fatal(err)
	}
	s = newSocket(l, v, fds[0])
	if err := l.join(s); err != nil {
		t.Fatal(err)
	}
	return s, fds[1]
}

func TestAnEventOfASocketThatWasIsNotTheNextOnes(t *testing.T) {
	w, l := newTestLoop(t)
	first, peer := joinTestLoop(t, w, l, Stream{})
	gone := unix.EpollEvent{Events: unix.EPOLLHUP, Fd: first.slot, Pad: l.uses[first.slot]}
	l.event(&gone)
	_ = unix.Close(peer)
	if first.fd >= 0 {
		t.Fatal("an event says that the peer is gone, and the socket stays")
	}
	second, peer := joinTestLoop(t, w, l, Stream{})
	defer unix.Close(peer)
	if second.slot != first.slot {
		t.Fatalf("slot %d is free, and %d is used", first.slot, second.slot)
	}
	l.event(&gone)
	if second.fd < 0 {
		t.Error("an event of the socket that had the slot before ended this one")
	}
	l.drop(second, nil)
	l.event(&gone)
}

func TestNoViewerOfAShareIsLeftOut(t *testing.T) {
	sh := &share{}
	served := map[*socket]int{}
	for range 10 {
		sh.add(&socket{})
	}
	sh.left = len(sh.sockets)
	all := append([]*socket(nil), sh.sockets...)
	for sh.left > 0 {
		sh.left--
		served[sh.sockets[sh.left]]++
		if sh.left == 5 { // some leave in the midst: one that was served, one that was not, and one that comes
			sh.remove(all[7])
			sh.remove(all[2])
			sh.add(&socket{})
		}
	}
	for i, s := range all {
		if i != 2 && served[s] == 0 {
			t.Errorf("viewer %d was not served", i)
		}
	}
}

func TestRestsBetweenRounds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		frames int           // that come during a round
		took   time.Duration // the round
		want   time.Duration
	}{
		{"a few frames", flood - 1, 8 * time.Millisecond, 0},
		{"a flood", flood, 8 * time.Millisecond, 5 * time.Millisecond},
		{"a flood to few viewers", 100, time.Millisecond, 0},
		{"a flood to very many", 100, time.Second, mostRest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, err := New(Config{})
				if err != nil {
					t.Fatal(err)
				}
				sh := &share{ring: w.NewRing(RingConfig{})}
				for range 2 { // frames of a round before do not count
					sh.begin()
					time.Sleep(tt.took)
					for range tt.frames {
						sh.ring.Append([]Frame{{Bytes: []byte("data: x\n\n")}}, 0)
					}
					if got := sh.rest(); got != tt.want {
						t.Errorf("the rest is %v, want %v", got, tt.want)
					}
				}
			})
		})
	}
}

// A loop that has nothing to do keeps nothing of a ring.
func TestALoopLetsGoOfWhatItSent(t *testing.T) {
	w, l := newTestLoop(t)
	r := w.NewRing(RingConfig{})
	defer r.Close()
	s, peer := joinTestLoop(t, w, l, Stream{Ring: r})
	defer unix.Close(peer)
	r.Append([]Frame{{At: Cursor{Seq: 1}, Bytes: []byte("data: x\n\n")}}, 1)
	l.mail.putSocket(s)
	l.readMail()
	if len(l.in.sockets) != 1 || l.in.sockets[0] != nil {
		t.Errorf("of the mail %v is held", l.in.sockets)
	}
	l.sweep()
	if s.v.at.Seq != 1 {
		t.Fatal("the frame was not sent")
	}
	for _, held := range l.view.segs[:cap(l.view.segs)] {
		if held != nil {
			t.Error("a segment is held")
		}
	}
	for _, held := range l.view.bufs[:cap(l.view.bufs)] {
		if held != nil {
			t.Error("a segment's bytes are held")
		}
	}
	l.drop(s, nil)
}
