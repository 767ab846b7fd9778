package web_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/web"
)

// Ways to connect.
const (
	http11    = "HTTP/1.1" // which loops serve where there are any; a handler does all others
	http10    = "HTTP/1.0"
	http11TLS = "HTTP/1.1 over TLS"
	http2TLS  = "HTTP/2 over TLS"
	http2     = "HTTP/2"
)

// protos are all of them; the first two suffice for what concerns only who serves.
var protos = []string{http11, http10, http11TLS, http2TLS, http2}

// over is a node's configuration for viewers that connect by proto.
func over(t testing.TB, proto string, c web.Config) web.Config {
	if strings.HasSuffix(proto, "TLS") {
		c.CertFile, c.KeyFile = writeCertificate(t, t.TempDir(), 1)
	}
	return c
}

// line is a connection of its own, on which streams are opened: one, or in HTTP/2 any number.
type line struct {
	n     *node
	proto string
	conn  *net.TCPConn
	http1 net.Conn
	http2 *http.Transport
}

// connect connects by proto, to a node that is over it. buffer is how much the client takes unread,
// of a stream in HTTP/2, 0 being what it likes.
func (n *node) connect(proto string, buffer int) *line {
	n.t.Helper()
	u, err := url.Parse(n.url)
	check(n.t, err)
	conn, err := net.Dial("tcp", u.Host)
	check(n.t, err)
	n.t.Cleanup(func() { conn.Close() })
	l := &line{n: n, proto: proto, conn: conn.(*net.TCPConn), http1: conn}
	check(n.t, conn.SetDeadline(time.Now().Add(60*time.Second)))
	if strings.HasPrefix(proto, http2) {
		l.speakHTTP2(buffer)
		return l
	}
	if buffer > 0 {
		check(n.t, l.conn.SetReadBuffer(buffer))
	}
	if proto == http11TLS {
		c := n.client.Transport.(*http.Transport).TLSClientConfig.Clone()
		c.ServerName, c.NextProtos = u.Hostname(), nil
		l.http1 = tls.Client(conn, c)
	}
	return l
}

// speakHTTP2 makes a client of the connection. It has no other, so that all streams are on that one.
func (l *line) speakHTTP2(buffer int) {
	protocols := &http.Protocols{}
	protocols.SetHTTP2(l.proto == http2TLS)
	protocols.SetUnencryptedHTTP2(l.proto == http2)
	conns := make(chan net.Conn, 1)
	conns <- l.conn
	l.http2 = &http.Transport{
		Protocols: protocols, HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: buffer},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case c := <-conns:
				return c, nil
			default:
				return nil, io.ErrClosedPipe
			}
		},
	}
	if l.proto == http2TLS {
		l.http2.TLSClientConfig = l.n.client.Transport.(*http.Transport).TLSClientConfig.Clone()
	}
	l.n.t.Cleanup(l.http2.CloseIdleConnections)
}

// open opens a stream, with headers as pairs.
func (l *line) open(path string, headers ...string) *viewer {
	l.n.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l.n.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", l.n.url+path, nil)
	check(l.n.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	var resp *http.Response
	leave := func() { l.conn.Close() }
	if l.http2 != nil {
		resp, err = l.http2.RoundTrip(req)
		leave = cancel
	} else {
		resp, err = l.askHTTP1(req)
	}
	check(l.n.t, err)
	if resp.StatusCode != 200 {
		l.n.t.Fatalf("GET %s by %s: %s", path, l.proto, resp.Status)
	}
	if want := strings.TrimSuffix(l.proto, " over TLS"); want != http10 && !strings.HasPrefix(resp.Proto, want) {
		l.n.t.Fatalf("GET %s by %s is answered by %s", path, l.proto, resp.Proto)
	}
	raw := &bytes.Buffer{}
	return &viewer{l.n.t, resp, newReader(io.TeeReader(resp.Body, raw)), raw, leave}
}

func (l *line) askHTTP1(req *http.Request) (*http.Response, error) {
	version := http11
	if l.proto == http10 {
		version = http10
	}
	var b bytes.Buffer
	b.WriteString("GET " + req.URL.RequestURI() + " " + version + "\r\nHost: x\r\n")
	if err := req.Header.Write(&b); err != nil {
		return nil, err
	}
	b.WriteString("\r\n")
	if _, err := b.WriteTo(l.http1); err != nil {
		return nil, err
	}
	return http.ReadResponse(bufio.NewReader(l.http1), req)
}

// dial opens a stream over a connection of its own.
func (n *node) dial(path, proto string, buffer int, headers ...string) *viewer {
	n.t.Helper()
	return n.connect(proto, buffer).open(path, headers...)
}
