package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/web/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience of a test for what must come to pass, which is no bound that is tested.
const patience = 20 * time.Second

// overBoth runs a test with loops and with goroutines.
func overBoth(t *testing.T, test func(t *testing.T, loops int)) {
	t.Run("goroutines", func(t *testing.T) { test(t, -1) })
	if runtime.GOOS == "linux" {
		t.Run("loops", func(t *testing.T) { test(t, 2) })
	}
}

// node is Writers behind an HTTP server, and what became of their viewers.
type node struct {
	*wire.Writers
	t      testing.TB
	server *httptest.Server
	ended  chan error
	last   atomic.Pointer[wire.Viewer]
	stop   func()
}

// newNode runs Writers. stream makes what each request is to get; its Ended is the node's.
func newNode(t testing.TB, c wire.Config, stream func(*http.Request) wire.Stream) *node {
	t.Helper()
	w, err := wire.New(c)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Writers: w, t: t, ended: make(chan error, 100_000)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	n.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s := stream(r)
		s.Ended = func(why error) { n.ended <- why }
		v := w.NewViewer(s)
		n.last.Store(v)
		rw.Header().Set("Content-Type", "text/event-stream")
		if err := w.Serve(rw, r, v, []byte(": open\n\n")); err != nil {
			rw.Header().Set("Content-Type", "text/plain")
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	n.server.Config.ConnContext = w.ConnContext
	n.stop = func() {
		if cancel(); n.server.URL != "" {
			n.server.Close()
		}
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
	}
	t.Cleanup(func() { n.stop() })
	return n
}

func (n *node) start() *node {
	n.server.Start()
	return n
}

// viewer is a client with a response whose head and first block it has read.
type viewer struct {
	conn *net.TCPConn
	res  *http.Response
	in   *bufio.Reader
}

func (n *node) connect(path string) *viewer {
	n.t.Helper()
	return n.connectBy(&net.Dialer{}, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
}

func (n *node) connectBy(d *net.Dialer, request string) *viewer {
	n.t.Helper()
	c, err := d.Dial("tcp", n.server.Listener.Addr().String())
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, request); err != nil {
		n.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	v := &viewer{conn: c.(*net.TCPConn), res: res, in: bufio.NewReader(res.Body)}
	if res.StatusCode == http.StatusOK {
		if got := v.block(n.t); got != ": open\n" {
			n.t.Fatalf("the stream begins with %q, not with what was to be first", got)
		}
	}
	return v
}

// block reads one block without its blank line.
func (v *viewer) block(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for {
		line, err := v.in.ReadString('\n')
		if err != nil {
			t.Fatalf("read %.40q and then: %v", b.String()+line, err)
		}
		if line == "\n" {
			return b.String()
		}
		b.WriteString(line)
	}
}

// rest reads to the end, which must be a clean one.
func (v *viewer) rest(t testing.TB) string {
	t.Helper()
	b, err := io.ReadAll(v.in)
	if err != nil {
		t.Fatalf("read %d bytes and then: %v", len(b), err)
	}
	return string(b)
}

// sequence reads frames from to to, which must come in order and nothing between them but comments.
func (v *viewer) sequence(t *testing.T, from, to int) {
	t.Helper()
	for want := from; want <= to; {
		got := v.block(t)
		if strings.HasPrefix(got, ":") {
			continue
		}
		if head := fmt.Sprintf("data: %d ", want); !strings.HasPrefix(got, head) || strings.Count(got, "\n") != 1 {
			t.Fatalf("got %.40q, want %q", got, head)
		}
		want++
	}
}

// frame is the event at seq, with padding up to a size.
func frame(seq, size int) wire.Frame {
	b := fmt.Appendf(nil, "data: %d ", seq)
	b = append(b, bytes.Repeat([]byte{'x'}, max(size-len(b)-2, 0))...)
	return wire.Frame{At: wire.Cursor{Seq: uint64(seq)}, Bytes: append(b, "\n\n"...)}
}

func appendFrames(r *wire.Ring, from, to, size int) {
	for seq := from; seq <= to; seq++ {
		r.Append([]wire.Frame{frame(seq, size)}, uint64(seq))
	}
}

// endsWith waits for the next viewer to end.
func (n *node) endsWith(want error) {
	n.t.Helper()
	select {
	case got := <-n.ended:
		if !errors.Is(got, want) {
			n.t.Errorf("the viewer ended with %v, want %v", got, want)
		}
	case <-time.After(patience):
		n.t.Fatalf("no viewer ended; wanted %v", want)
	}
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// openFiles is how many this process has.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no list of open files on this system")
	}
	return len(entries)
}
