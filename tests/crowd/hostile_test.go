//go:build linux

package crowd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/program"
)

const (
	hostiles    = 200             // of each kind, at once
	socketBytes = 64 << 10        // that the kernel may keep for one of them, by the program's default
	gone        = 2 * time.Minute // only a server that keeps them comes near it
)

// hostile is a client that means no good. do returns once the server has got rid of it, or it of the
// server.
type hostile struct {
	name string
	do   func(c *net.TCPConn, request string) error
}

var hostileKinds = []hostile{
	{"never reads", func(c *net.TCPConn, request string) error {
		if _, err := io.WriteString(c, request); err != nil {
			return err
		}
		return untilReset(c)
	}},
	{"reads a byte now and then", func(c *net.TCPConn, request string) error {
		if _, err := io.WriteString(c, request); err != nil {
			return err
		}
		var reading sync.WaitGroup
		reading.Go(func() {
			for b := make([]byte, 1); ; time.Sleep(20 * time.Millisecond) {
				if _, err := c.Read(b); err != nil {
					return
				}
			}
		})
		err := untilReset(c)
		c.Close()
		reading.Wait()
		return err
	}},
	{"sends its head byte by byte", func(c *net.TCPConn, request string) error {
		for i := range len(request) - 4 {
			if _, err := io.WriteString(c, request[i:i+1]); err != nil {
				return nil
			}
			time.Sleep(300 * time.Millisecond)
		}
		return errors.New("its whole head was waited for")
	}},
	{"sends 100 kB of headers", func(c *net.TCPConn, request string) error {
		head := strings.TrimSuffix(request, "\r\n") + "X-Much: " + strings.Repeat("x", 100_000) + "\r\n\r\n"
		_, _ = io.WriteString(c, head) // the server may hang up before it is sent
		if err := c.SetReadDeadline(time.Now().Add(gone)); err != nil {
			return err
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil && res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			return fmt.Errorf("it is answered %s", res.Status)
		}
		return nil
	}},
	{"comes and goes", func(c *net.TCPConn, request string) error {
		address := c.RemoteAddr().String()
		for range 20 {
			if _, err := io.WriteString(c, request); err != nil {
				return err
			}
			_ = c.SetLinger(0)
			c.Close()
			again, err := net.Dial("tcp", address)
			if err != nil {
				return err
			}
			c = again.(*net.TCPConn)
		}
		return c.Close()
	}},
}

// untilReset waits, without reading, until the server has given the connection up.
func untilReset(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	for end := time.Now().Add(gone); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var failed int
		err = raw.Control(func(fd uintptr) {
			failed, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
		})
		if err != nil || failed != 0 {
			return err
		}
	}
	return errors.New("it is still there")
}

// TestHostileViewers has crowds of hostile clients come to the program as it is. Each is got rid of,
// none makes the kernel or the server keep much, and a neighbour gets every event in order meanwhile.
func TestHostileViewers(t *testing.T) {
	s := program.Start(t)
	s.Put("/v1/tenants/acme", nil)
	s.Put("/v1/tenants/acme/routes/all", map[string]any{"path": "/all", "subjects": []string{"n"}, "access": "public", "keepAliveInterval": 1000})
	good := s.Open("/t/acme/all")
	stop := publishAndRead(t, s, good)
	defer stop()
	for _, kind := range hostileKinds {
		t.Run(kind.name, func(t *testing.T) {
			memory := watchMemory(t, s)
			queued := watchQueues(t, s)
			begin := time.Now()
			kind.attack(t, s)
			awaitViewers(t, s, 1)
			memory.stop()
			t.Logf("gone after %.1f s; the kernel kept %d bytes for one at most, the server took %d to %d MiB",
				time.Since(begin).Seconds(), queued(), memory.least()>>20, memory.most()>>20)
			if most := queued(); most > socketBytes+socketBytes/4 {
				t.Errorf("the kernel kept %d bytes for a connection", most)
			}
			if grown := memory.most() - memory.least(); grown > 64<<20 {
				t.Errorf("the server's memory grew by %d MiB", grown>>20)
			}
		})
	}
}

// attack has many of a kind come at once.
func (h hostile) attack(t *testing.T, s *program.Server) {
	address := strings.TrimPrefix(s.URL, "http://")
	request := "GET /t/acme/all HTTP/1.1\r\nHost: " + address + "\r\n\r\n"
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1) })
	}}
	var all sync.WaitGroup
	for range hostiles {
		all.Go(func() {
			c, err := dialer.Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if err := h.do(c.(*net.TCPConn), request); err != nil {
				t.Errorf("%s: %v", h.name, err)
			}
		})
	}
	all.Wait()
}

// publishAndRead publishes numbered events, 50 of 2 KB a second, until it is stopped. A viewer must get
// them all.
func publishAndRead(t *testing.T, s *program.Server, viewer *program.Stream) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var both sync.WaitGroup
	pad := strings.Repeat(" ", 2000)
	publish := func(data string) {
		if _, err := s.Publish(t.Context(), "acme", program.Event{Subject: "n", Data: data}); err != nil {
			t.Error(err)
		}
	}
	both.Go(func() {
		each := time.NewTicker(20 * time.Millisecond)
		defer each.Stop()
		for n := 0; ctx.Err() == nil; n++ {
			publish(strconv.Itoa(n) + pad)
			<-each.C
		}
		publish("end")
	})
	both.Go(func() {
		for n := 0; ; n++ {
			e, err := viewer.Read()
			if err == nil && e.Data == "end" {
				return
			}
			if err != nil || e.Data != strconv.Itoa(n)+pad {
				t.Errorf("the neighbour gets %.20q, %v, want %d", e.Data, err, n)
				return
			}
		}
	})
	return func() { cancel(); both.Wait() }
}

// watchQueues returns what the kernel keeps at most for one connection of the server's, until then.
func watchQueues(t *testing.T, s *program.Server) (most func() int64) {
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var seen int64
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			seen = max(seen, longestQueue(n))
			time.Sleep(100 * time.Millisecond)
		}
	})
	return func() int64 { cancel(); watching.Wait(); return seen }
}

// longestQueue is how many bytes wait to be sent on a connection to a local port.
func longestQueue(port int) (most int64) {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0
	}
	own := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.HasSuffix(fields[1], own) {
			continue
		}
		waiting, _, _ := strings.Cut(fields[4], ":")
		if n, err := strconv.ParseInt(waiting, 16, 64); err == nil {
			most = max(most, n)
		}
	}
	return most
}

// awaitViewers waits until so many are left.
func awaitViewers(t *testing.T, s *program.Server, want int) {
	t.Helper()
	for end := time.Now().Add(gone); ; time.Sleep(50 * time.Millisecond) {
		page := string(s.Must(http.MethodGet, "/metrics", nil))
		_, rest, _ := strings.Cut(page, "\nmillrace_viewers ")
		line, _, _ := strings.Cut(rest, "\n")
		if n, err := strconv.Atoi(line); err == nil && n == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%q viewers are left, want %d", line, want)
		}
	}
}
