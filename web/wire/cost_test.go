package wire_test

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/millrace/millrace/web/wire"
)

// An idle viewer has no goroutine and little memory. What the client's end takes is in the figure.
func TestAnIdleViewerCostsLittle(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs loops")
	}
	const viewers = 1000
	var ring *wire.Ring
	n := newNode(t, wire.Config{}, func(*http.Request) wire.Stream {
		return wire.Stream{Ring: ring, KeepAlive: time.Hour, Until: time.Now().Add(time.Hour)}
	}).start()
	ring = n.NewRing(wire.RingConfig{})
	defer ring.Close()
	n.connect("/").conn.Close()
	goroutines, memory := runtime.NumGoroutine(), memoryInUse()
	// One after another: what a thousand handlers at once would leave behind, descriptors of dead
	// goroutines above all, is no viewer's.
	conns := make([]net.Conn, viewers)
	for i := range conns {
		c, err := net.Dial("tcp", n.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the viewer to be there and its handler gone", func() bool {
			return n.Viewers("") == i+1 && runtime.NumGoroutine() <= goroutines+5
		})
	}
	each := (memoryInUse() - memory) / viewers
	t.Logf("%d bytes for each viewer and its client", each)
	if each > 2000 {
		t.Errorf("an idle viewer and its client take %d bytes", each)
	}
	runtime.KeepAlive(conns)
}

func memoryInUse() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// BenchmarkDelivery is the time for one frame to one of 200 viewers, their reading included.
func BenchmarkDelivery(b *testing.B) {
	for _, tt := range []struct {
		name  string
		loops int
		batch int
	}{
		{"loops, one at a time", 0, 1}, {"loops, 50 at a time", 0, 50},
		{"goroutines, one at a time", -1, 1}, {"goroutines, 50 at a time", -1, 50},
	} {
		b.Run(tt.name, func(b *testing.B) {
			const viewers = 200
			var ring *wire.Ring
			n := newNode(b, wire.Config{Loops: tt.loops}, func(*http.Request) wire.Stream { return wire.Stream{Ring: ring} }).start()
			ring = n.NewRing(wire.RingConfig{Bytes: 8 << 20})
			defer ring.Close()
			for range viewers {
				v := n.connect("/")
				_ = v.conn.SetDeadline(time.Time{})
				go func() { _, _ = io.Copy(io.Discard, v.conn) }()
			}
			before := n.Stats().Delivered
			for seq := 1; b.Loop(); {
				var fs []wire.Frame
				for range tt.batch {
					fs = append(fs, frame(seq, 220))
					seq++
				}
				ring.Append(fs, uint64(seq-1))
				for n.Stats().Delivered-before < uint64(viewers*(seq-1)) {
					runtime.Gosched()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*viewers*tt.batch), "ns/delivery")
		})
	}
}
