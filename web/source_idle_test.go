//go:build unix

package web_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/web"
)

// BenchmarkIdleSources is what 1,000 sources cost whose remotes are silent: memory each, without the
// remote's, and processor time.
func BenchmarkIdleSources(b *testing.B) {
	const count = 1000
	n := startNode(b, web.Config{AllowPrivateOutbound: true})
	n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}, "quotas": map[string]any{"sources": count}}, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	defer l.Close()
	var open atomic.Int64
	go silence(l, &open)
	before := memory()
	for i := range count {
		config := source.Config{URL: "http://" + l.Addr().String(), Subject: "in"}
		_, _, err := n.broker.PutSource(b.Context(), "acme", fmt.Sprintf("s%d", i), config)
		check(b, err)
	}
	n.eventually("all to be open", func() bool { return open.Load() == count })
	each := float64(memory()-before) / count
	b.ResetTimer()
	began := processorTime()
	for range b.N {
		time.Sleep(time.Second)
	}
	b.ReportMetric(float64((processorTime()-began).Microseconds())/float64(b.N)/1000, "cpu-ms/s")
	b.ReportMetric(each, "B/source")
}

// silence answers each request with an event stream on which nothing comes.
func silence(l net.Listener, open *atomic.Int64) {
	var conns []net.Conn
	for {
		c, err := l.Accept()
		if err != nil {
			for _, c := range conns {
				c.Close()
			}
			return
		}
		if _, err := http.ReadRequest(bufio.NewReaderSize(c, 512)); err == nil {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
			open.Add(1)
		}
		conns = append(conns, c)
	}
}

// memory is what Go has in use.
func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// processorTime is what this process has taken so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // for a process that does not exist
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
