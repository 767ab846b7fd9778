package wire

import (
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// adopt takes a plain HTTP/1.1 connection over from net/http, answers on it, and leaves it to a loop.
// It returns false if that cannot be, and the request is then as it was.
func (w *Writers) adopt(rw http.ResponseWriter, r *http.Request, v *Viewer, first []byte) bool {
	l := w.loop()
	conn := plainConn(r)
	if l == nil || conn == nil {
		return false
	}
	taken, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return false
	}
	fd, err := duplicate(conn)
	// Go's poller forgets the connection, and its memory is free: the loop has the duplicate.
	_ = taken.Close()
	if err != nil {
		v.leave(ErrLeft) // no files left: it will come back as after any cut
		return true
	}
	s := newSocket(l, v, fd)
	s.rest = &remainder{bytes: appendHead(nil, rw.Header(), first)}
	v.serveBy(s)
	return true
}

// plainConn is the connection of a request if it carries HTTP/1.1 and nothing is between.
func plainConn(r *http.Request) syscall.Conn {
	if r.TLS != nil || r.ProtoMajor != 1 || r.ProtoMinor != 1 {
		return nil
	}
	switch c := r.Context().Value(connKey{}).(type) {
	case *net.TCPConn:
		return c
	case *net.UnixConn:
		return c
	}
	return nil
}

// duplicate gives a descriptor for a connection that Go's runtime does not know.
func duplicate(conn syscall.Conn) (fd int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	controlErr := raw.Control(func(p uintptr) { fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0) })
	if controlErr != nil {
		return -1, controlErr
	}
	return fd, err
}

// appendHead appends a response's head and its first chunk. Content-Type comes first, and then who may
// read it from elsewhere: a browser's EventSource gives up for good on a head that is cut before those.
// The connection serves nothing after the stream, and a proxy must know that before it gives it to
// somebody else.
func appendHead(dst []byte, h http.Header, first []byte) []byte {
	out := appender{append(dst, "HTTP/1.1 200 OK\r\n"...)}
	for _, first := range [...]string{"Content-Type", "Access-Control-Allow-Origin"} {
		if values := h[first]; len(values) > 0 {
			_ = http.Header{first: values}.Write(&out)
		}
	}
	_ = h.WriteSubset(&out, map[string]bool{"Content-Type": true, "Access-Control-Allow-Origin": true, "Date": true, "Connection": true, "Transfer-Encoding": true, "Content-Length": true})
	dst = append(out.b, "Date: "...)
	dst = time.Now().UTC().AppendFormat(dst, http.TimeFormat)
	dst = append(dst, "\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"...)
	return appendChunk(dst, first)
}

// appender is an io.Writer that cannot fail.
type appender struct{ b []byte }

func (a *appender) Write(b []byte) (int, error) {
	a.b = append(a.b, b...)
	return len(b), nil
}
