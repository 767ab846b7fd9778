package wire_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/web/wire"
)

var errDrain = errors.New("the node drains")

func retry(error) []byte { return fmt.Appendf(nil, "retry: %d\n\n", 1000+rand.IntN(4000)) }

// Frames go on while the viewers end, and none gets half a one.
func TestDrainEndsEachViewerWithItsOwnRetry(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		const viewers = 60
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops, LastWords: retry}, func(*http.Request) wire.Stream { return wire.Stream{Ring: ring, From: ring.Live()} }).start()
		ring = n.NewRing(wire.RingConfig{})
		defer ring.Close()
		var readers sync.WaitGroup
		var mu sync.Mutex
		retries := map[string]bool{}
		for range viewers {
			v := n.connect("/")
			readers.Go(func() {
				all := v.rest(t)
				events, last, ok := strings.Cut(all, "retry: ")
				if !ok || !strings.HasSuffix(last, "\n\n") || strings.Count(last, "\n") != 2 {
					t.Errorf("the stream does not end with one retry: %q", all[max(len(all)-40, 0):])
				}
				for _, e := range strings.SplitAfter(events, "\n\n") {
					if e != "" && len(e) != 1002 {
						t.Errorf("a frame of %d bytes: %.30q", len(e), e)
					}
				}
				mu.Lock()
				retries[last] = true
				mu.Unlock()
			})
		}
		stop := make(chan struct{})
		go func() {
			for seq := 100_000; ; seq++ {
				select {
				case <-stop:
					return
				default:
					ring.Append([]wire.Frame{frame(seq, 1002)}, uint64(seq))
					time.Sleep(time.Millisecond)
				}
			}
		}()
		begin := time.Now()
		if err := n.Drain(context.Background(), errDrain, 300*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 200*time.Millisecond {
			t.Errorf("viewers were to end over 300 ms; all were gone after %v", took)
		}
		readers.Wait()
		close(stop)
		if len(retries) < viewers/2 {
			t.Errorf("%d viewers have %d different times to come back after", viewers, len(retries))
		}
		for range viewers {
			n.endsWith(errDrain)
		}
		if got := n.connect("/").res.StatusCode; got != http.StatusServiceUnavailable {
			t.Errorf("who comes during a drain gets %d", got)
		}
	})
}

func TestDrainGivesUpWithItsContext(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream { return wire.Stream{} }).start()
		n.connect("/")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := n.Drain(ctx, errDrain, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain = %v", err)
		}
	})
}

// Run ends viewers that nobody drained, those in the midst of a frame too, and leaves no goroutine,
// which TestMain looks for, and no file.
func TestRunsEndLeavesNothing(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		before := openFiles(t)
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops, Patience: time.Second}, func(*http.Request) wire.Stream { return wire.Stream{Ring: ring} })
		n.start()
		ring = n.NewRing(wire.RingConfig{})
		defer ring.Close()
		for range 20 {
			n.connect("/")
		}
		stuck := n.connectBy(tight(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		ring.Append([]wire.Frame{frame(1, 1<<20)}, 1)
		for range 5 {
			v, err := net.Dial("tcp", n.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			fmt.Fprint(v, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			_, _ = bufio.NewReader(v).ReadByte()
		}
		n.stop()
		if left := n.Viewers(""); left != 0 {
			t.Errorf("%d viewers are left", left)
		}
		stuck.conn.Close()
		n.stop = func() {}
		if runtime.GOOS == "linux" { // the clients' 26 are still open
			waitFor(t, "files to be closed", func() bool { return openFiles(t) <= before+27 })
		}
	})
}

func TestRingsEndWithTheirNode(t *testing.T) {
	w, err := wire.New(wire.Config{RingBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var rings []*wire.Ring
	for range 10 {
		r := w.NewRing(wire.RingConfig{Bytes: 1 << 20})
		rings = append(rings, r)
		appendFrames(r, 1, 200, 500)
		if got := w.Stats().RingBytes; got > 64<<10 {
			t.Fatalf("%d rings take %d bytes together, their bound is 64 KiB", len(rings), got)
		}
	}
	for _, r := range rings {
		r.Close()
	}
	if got := w.Stats().RingBytes; got != 0 {
		t.Errorf("rings that are closed take %d bytes", got)
	}
}

func TestConfigReportsAllMistakes(t *testing.T) {
	_, err := wire.New(wire.Config{Patience: -1, RingBytes: -1})
	if err == nil || !strings.Contains(err.Error(), "patience") || !strings.Contains(err.Error(), "bound") {
		t.Errorf("New = %v", err)
	}
}
