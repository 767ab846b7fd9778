package wire_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/web/wire"
)

// tight is a dialer whose connections take next to nothing in.
func tight() *net.Dialer {
	return &net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { smallBuffer(fd) })
	}}
}

// narrow is a dialer whose connections take in a few packets of an Ethernet's size.
func narrow() *net.Dialer {
	return &net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { smallPackets(fd) })
	}}
}

// While a viewer takes nothing, or a byte now and then, a neighbour gets all, and the viewer is cut.
func TestWhoDoesNotReadIsCut(t *testing.T) {
	for _, tt := range []struct {
		name  string
		size  int // of frames
		reads bool
	}{
		{"never reads, small frames", 1000, false},
		{"never reads, large frames", 300_000, false},
		{"reads one byte at a time", 1000, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, loops int) {
				var h history
				var ring *wire.Ring
				n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream {
					return wire.Stream{Ring: ring, KeepAlive: 250 * time.Millisecond}
				}).start()
				ring = n.NewRing(wire.RingConfig{Bytes: 1 << 20, History: h.read})
				defer ring.Close()
				bad, good := n.connectBy(tight(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), n.connect("/")
				done := make(chan struct{})
				go func() {
					defer close(done)
					var b [1]byte
					for tt.reads {
						if _, err := bad.conn.Read(b[:]); err != nil {
							return
						}
						time.Sleep(10 * time.Millisecond)
					}
				}()
				seq := 0
				for n.Viewers("") == 2 {
					h.append(ring, seq+1, seq+10, tt.size)
					good.sequence(t, seq+1, seq+10)
					seq += 10
				}
				<-n.ended // ErrSlow, or ErrLeft if the kernel was first to give up
				bad.conn.Close()
				<-done
				h.append(ring, seq+1, seq+10, tt.size)
				good.sequence(t, seq+1, seq+10)
				waitFor(t, "nothing to be held for nobody", func() bool { return n.Stats().HeldBytes == 0 })
			})
		})
	}
}

// A trickle never fills a buffer of ours: nothing of it is acknowledged from one keep-alive to the next.
func TestWhoNeverReadsATrickleIsCut(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs a system that can be told how long to try")
	}
	overBoth(t, func(t *testing.T, loops int) {
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream { return wire.Stream{Ring: ring, KeepAlive: 300 * time.Millisecond} }).start()
		ring = n.NewRing(wire.RingConfig{})
		defer ring.Close()
		n.connectBy(tight(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		appendFrames(ring, 1, 20, 1000)
		n.endsWith(wire.ErrSlow)
	})
}

// Who reads more slowly than events come, through a small window, is behind for good but not cut.
func TestWhoReadsSlowlyIsNotCut(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		var h history
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops, SocketBytes: 16 << 10}, func(*http.Request) wire.Stream {
			return wire.Stream{Ring: ring, KeepAlive: 2 * time.Second}
		}).start()
		ring = n.NewRing(wire.RingConfig{Bytes: 1 << 20, History: h.read})
		defer ring.Close()
		v := n.connectBy(narrow(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		h.append(ring, 1, 1000, 1000)
		v.in = bufio.NewReaderSize(slowly{v.res.Body}, 1<<10)
		v.sequence(t, 1, 130)
	})
}

// Who was behind, and stops reading when no more comes than the kernel takes, is found out all the same.
func TestWhoWasBehindAndStopsReadingIsCut(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		var h history
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops, SocketBytes: 32 << 10}, func(*http.Request) wire.Stream {
			return wire.Stream{Ring: ring, KeepAlive: 300 * time.Millisecond}
		}).start()
		ring = n.NewRing(wire.RingConfig{Bytes: 1 << 20, History: h.read})
		defer ring.Close()
		v := n.connectBy(narrow(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		h.append(ring, 1, 60, 1000)
		v.in = bufio.NewReaderSize(slowly{v.res.Body}, 1<<10)
		v.sequence(t, 1, 50)
		select {
		case why := <-n.ended: // ErrSlow, or ErrLeft if the kernel was first to give up
			t.Logf("ended with %v", why)
		case <-time.After(patience):
			t.Error("it is still there")
		}
	})
}

// slowly reads 20 KiB a second.
type slowly struct{ io.Reader }

func (r slowly) Read(b []byte) (int, error) {
	time.Sleep(50 * time.Millisecond)
	return r.Reader.Read(b)
}

func TestWhoGoesIsNoticed(t *testing.T) {
	for _, tt := range []struct {
		name string
		go_  func(*net.TCPConn) error
	}{
		{"closes", (*net.TCPConn).Close},
		{"resets", func(c *net.TCPConn) error { _ = c.SetLinger(0); return c.Close() }},
		{"closes half", (*net.TCPConn).CloseWrite},
		{"closes half with bytes that nobody reads", func(c *net.TCPConn) error {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			return c.CloseWrite()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, loops int) {
				if loops < 0 && tt.name == "closes half with bytes that nobody reads" {
					return // net/http notices it at the next write that fails
				}
				var ring *wire.Ring
				n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream { return wire.Stream{Ring: ring} }).start()
				ring = n.NewRing(wire.RingConfig{})
				defer ring.Close()
				v := n.connect("/")
				if err := tt.go_(v.conn); err != nil {
					t.Fatal(err)
				}
				n.endsWith(wire.ErrLeft)
			})
		})
	}
}

func TestWhoComesAndGoesLeavesNothing(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		times := 5000
		if testing.Short() || loops < 0 {
			times = 500
		}
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream {
			return wire.Stream{Ring: ring, KeepAlive: time.Minute, Groups: []string{"g"}}
		}).start()
		ring = n.NewRing(wire.RingConfig{})
		defer ring.Close()
		stays := n.connect("/")
		before := openFiles(t)
		for i := range times {
			c, err := net.Dial("tcp", n.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if i%3 > 0 {
				_, _ = c.Read(make([]byte, 100))
			}
			if i%2 > 0 {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
			c.Close()
			if i%10 == 0 {
				ring.Append([]wire.Frame{frame(i/10+1, 100)}, uint64(i/10+1))
			}
		}
		waitFor(t, "all but one to be gone", func() bool { return n.Viewers("") == 1 && n.Viewers("g") == 1 })
		stays.sequence(t, 1, (times+9)/10)
		waitFor(t, "the files to be closed", func() bool { return openFiles(t) <= before })
	})
}

func TestLargeFramesForTheSlowAreBounded(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs loops")
	}
	var h history
	var ring *wire.Ring
	n := newNode(t, wire.Config{HeldBytes: 3 << 20}, func(*http.Request) wire.Stream { return wire.Stream{Ring: ring, From: ring.Live()} }).start()
	ring = n.NewRing(wire.RingConfig{Bytes: 2 << 20, History: h.read})
	defer ring.Close()
	var most int64
	for seq := 1; n.Stats().Cut == 0; seq++ {
		if seq > 50 {
			t.Fatalf("50 viewers, each in the midst of another frame of 1 MB, hold %d bytes", most)
		}
		before := n.Viewers("")
		n.connectBy(tight(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		h.append(ring, seq, seq, 1<<20)
		waitFor(t, "the viewer to hold its frame or be cut", func() bool {
			return n.Stats().HeldBytes > most || n.Stats().Cut > 0 || n.Viewers("") <= before
		})
		most = max(most, n.Stats().HeldBytes)
	}
	if most > 5<<20 {
		t.Errorf("%d bytes were held, the bound is 3 MiB and one frame", most)
	}
}
