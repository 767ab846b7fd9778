//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"golang.org/x/sys/unix"
)

// server accepts connections and gives viewers to its loops.
type server struct {
	listener int
	ring     *ring
	loops    [2]*loop
}

func newServer(address string) (*server, error) {
	at, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return nil, err
	}
	s := &server{ring: newRing()}
	for i := range s.loops {
		if s.loops[i], err = newLoop(s.ring); err != nil {
			return nil, err
		}
	}
	if s.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(s.listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, err
	}
	if err := unix.Bind(s.listener, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(at.IP.To4())}); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return s, unix.Listen(s.listener, 4096)
}

// run serves until something breaks that a limit need not survive.
func (s *server) run() error {
	failed := make(chan error, len(s.loops))
	for _, l := range s.loops {
		go func() { failed <- l.run() }() // as long as the process
	}
	buf := make([]byte, 16<<10)
	for turn := 0; ; turn++ {
		select {
		case err := <-failed:
			return err
		default:
		}
		socket, _, err := unix.Accept4(s.listener, unix.SOCK_CLOEXEC)
		if err != nil {
			continue
		}
		s.serve(socket, buf, s.loops[turn%len(s.loops)])
	}
}

// serve takes a connection by its first bytes, which must come at once.
func (s *server) serve(socket int, buf []byte, l *loop) {
	_ = unix.SetsockoptInt(socket, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2})
	n, err := unix.Read(socket, buf)
	if err != nil || n < 4 || unix.SetNonblock(socket, true) != nil {
		_ = unix.Close(socket)
		return
	}
	if string(buf[:3]) != "GET" {
		go s.takeEvents(socket, bytes.Clone(buf[:n]))
		return
	}
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
	_, lastID, _ := bytes.Cut(buf[:n], []byte("\r\nLast-Event-ID: "))
	lastID, _, _ = bytes.Cut(lastID, []byte("\r"))
	at := s.ring.after(string(lastID))
	_, _ = unix.Write(socket, []byte(head)) // an empty socket has room for it
	l.join(viewer{int32(socket), at})
}

// takeEvents serves a connection that publishes; begun is what was read of it.
func (s *server) takeEvents(socket int, begun []byte) {
	f := os.NewFile(uintptr(socket), "publisher")
	conn, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return
	}
	defer conn.Close()
	in := bufio.NewReader(io.MultiReader(bytes.NewReader(begun), conn))
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
		if err != nil {
			return
		}
		id := fmt.Sprint(s.ring.publish(body))
		for _, l := range s.loops {
			l.wake()
		}
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(id), id); err != nil {
			return
		}
	}
}
