package wire_test

import (
	"bufio"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/web/wire"
)

// Between rounds in which many frames came, a ring's viewers rest. Nothing is lost by it, and what
// comes during a rest, the end too, goes out though nothing comes after it.
func TestAFloodHasRests(t *testing.T) {
	const viewers, most = 1000, 5000
	var ring *wire.Ring
	n := newNode(t, wire.Config{Loops: 1}, func(*http.Request) wire.Stream { return wire.Stream{Ring: ring} }).start()
	ring = n.NewRing(wire.RingConfig{Bytes: 8 << 20})
	defer ring.Close()
	var readers sync.WaitGroup
	var saw [viewers]int
	for i := range saw {
		v := n.connect("/")
		readers.Go(func() { saw[i] = v.toEnd(t) })
	}
	// A frame comes each time that a tenth of the viewers were written to, or that all have all.
	sent := 0
	for ; n.Stats().Rests < 5 && sent < most; sent++ {
		before := n.Stats().Writes
		appendFrames(ring, sent+1, sent+1, 100)
		for end := time.Now().Add(patience); ; runtime.Gosched() {
			if now := n.Stats(); now.Writes >= before+viewers/10 || now.Delivered == uint64((sent+1)*viewers) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%d of %d frames were delivered", n.Stats().Delivered, (sent+1)*viewers)
			}
		}
	}
	if n.Stats().Rests < 5 {
		t.Errorf("%d rests in %d frames", n.Stats().Rests, sent)
	}
	ring.End(nil)
	readers.Wait()
	for i, got := range saw {
		if got != sent {
			t.Errorf("viewer %d has %d of %d frames", i, got, sent)
		}
	}
}

// toEnd reads frames from 1 on, which must come in order, to the end of the stream, and returns how
// many they were.
func (v *viewer) toEnd(t *testing.T) int {
	n := 0
	lines := bufio.NewScanner(v.in)
	for lines.Scan() {
		if line := lines.Text(); line != "" {
			n++
			if want := fmt.Sprintf("data: %d ", n); !strings.HasPrefix(line, want) {
				t.Errorf("got %.40q, want %q", line, want)
				return n
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Errorf("after %d frames: %v", n, err)
	}
	return n
}
