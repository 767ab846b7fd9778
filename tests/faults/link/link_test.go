package link_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/tests/faults/link"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ends is a link with one connection through it.
type ends struct {
	link   *link.Link
	dialer *net.TCPConn
	server *net.TCPConn
}

func connect(t *testing.T, forth, back link.Quality) ends {
	t.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l, err := link.New(server.Addr().String(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	a, err := net.Dial("tcp", l.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	b, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	for _, c := range []net.Conn{a, b} {
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	l.Set(forth, back)
	return ends{l, a.(*net.TCPConn), b.(*net.TCPConn)}
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, c net.Conn, text string) {
	t.Helper()
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("received %q, %v; want %q", b, err, text)
	}
}

// silent checks that nothing comes for a moment. However long that is, it can only pass by mistake.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a blocked line brings %d bytes, %v", n, err)
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
}

// TestBytesArriveAsTheyWereSent sends much both ways at once over lines of each quality.
func TestBytesArriveAsTheyWereSent(t *testing.T) {
	for _, tt := range []struct {
		name string
		q    link.Quality
	}{
		{"a perfect line", link.Quality{}},
		{"a slow line", link.Quality{Latency: 5 * time.Millisecond, Jitter: 10 * time.Millisecond}},
		{"a lossy line", link.Quality{Jitter: time.Millisecond, Loss: 0.1, Recovery: 20 * time.Millisecond}},
	} {
		e := connect(t, tt.q, tt.q)
		data := make([]byte, 4<<20)
		r := rand.NewChaCha8([32]byte{1})
		_, _ = r.Read(data) // never fails
		var wg sync.WaitGroup
		for _, way := range [][2]*net.TCPConn{{e.dialer, e.server}, {e.server, e.dialer}} {
			wg.Go(func() {
				if _, err := way[0].Write(data); err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
				if err := way[0].CloseWrite(); err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
			})
			wg.Go(func() {
				h := sha256.New()
				n, err := io.Copy(h, way[1])
				if want := sha256.Sum256(data); n != int64(len(data)) || err != nil || !bytes.Equal(h.Sum(nil), want[:]) {
					t.Errorf("%s: %d of %d bytes arrive, or others: %v", tt.name, n, len(data), err)
				}
			})
		}
		wg.Wait()
		if got := e.link.Passed(); got != uint64(2*len(data)) {
			t.Errorf("%s: %d bytes are counted, want %d", tt.name, got, 2*len(data))
		}
	}
}

func TestEachWayIsBlockedByItself(t *testing.T) {
	blocked := link.Quality{Blocked: true}
	e := connect(t, blocked, link.Quality{})
	send(t, e.dialer, "held")
	send(t, e.server, "back")
	expect(t, e.dialer, "back")
	silent(t, e.server)

	e.link.Set(link.Quality{}, blocked)
	expect(t, e.server, "held") // healed: late, not lost
	send(t, e.server, "back again")
	silent(t, e.dialer)

	e.link.Set(link.Quality{}, link.Quality{})
	expect(t, e.dialer, "back again")
}

func TestAnEndIsHeldLikeBytes(t *testing.T) {
	e := connect(t, link.Quality{Blocked: true}, link.Quality{})
	send(t, e.dialer, "bye")
	if err := e.dialer.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	silent(t, e.server)
	e.link.Set(link.Quality{}, link.Quality{})
	if b, err := io.ReadAll(e.server); string(b) != "bye" || err != nil {
		t.Errorf("received %q, %v; want bye and the end", b, err)
	}
}

func TestALineIsAsSlowAsItIsTo(t *testing.T) {
	const late = 40 * time.Millisecond
	e := connect(t, link.Quality{Latency: late}, link.Quality{Loss: 1, Recovery: late})
	begin := time.Now()
	send(t, e.dialer, "ping")
	expect(t, e.server, "ping")
	send(t, e.server, "pong")
	expect(t, e.dialer, "pong")
	if took := time.Since(begin); took < 2*late {
		t.Errorf("there and back takes %s, less than %s", took, 2*late)
	}
}

func TestNewConnectionsWaitForAPartitionToHeal(t *testing.T) {
	e := connect(t, link.Quality{}, link.Quality{Blocked: true})
	server, err := link.New(e.link.Address(), 1) // a link to the link: what is dialled here arrives there
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c, err := net.Dial("tcp", server.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	silent(t, c)
	if n := e.link.Open(); n != 1 {
		t.Errorf("%d connections are through, want the one from before", n)
	}
	e.link.Set(link.Quality{}, link.Quality{})
	// Behind the inner link nobody listens any more, so the newcomer is closed.
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection to nobody brings %d bytes, %v", n, err)
	}
}

func TestACutIsAnErrorAtBothEnds(t *testing.T) {
	e := connect(t, link.Quality{}, link.Quality{Blocked: true})
	send(t, e.server, "never")
	e.link.Cut()
	for name, c := range map[string]net.Conn{"dialer": e.dialer, "server": e.server} {
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after a cut the %s gets %d bytes, %v", name, n, err)
		}
	}
}

func TestADeadReaderDoesNotHoldTheLink(t *testing.T) {
	e := connect(t, link.Quality{}, link.Quality{})
	_ = e.server.SetLinger(0)
	e.server.Close()
	// The sender learns of it, if not with the first bytes.
	piece := make([]byte, 1<<20)
	for {
		if _, err := e.dialer.Write(piece); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the sender is held")
			}
			return
		}
	}
}
