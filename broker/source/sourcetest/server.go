package sourcetest

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Server is a Remote on a port of loopback.
type Server struct {
	*Remote
	URL string // http://127.0.0.1:port

	server *http.Server
	served sync.WaitGroup
}

// NewServer starts a server for remote. It panics if loopback has no port left.
func NewServer(remote *Remote) *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("sourcetest: " + err.Error())
	}
	s := &Server{Remote: remote, URL: "http://" + l.Addr().String(), server: &http.Server{Handler: remote}}
	s.served.Go(func() { s.server.Serve(l) }) // ends with Close only
	return s
}

// Close breaks off all connections and waits until their replies have ended.
func (s *Server) Close() {
	s.server.Close()
	s.served.Wait()
	s.settle()
}

// Pipe is a Remote that is reached by Dial alone, through memory. It can live inside of a
// testing/synctest bubble, where waits take no time.
type Pipe struct {
	*Remote

	server *http.Server
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	served sync.WaitGroup
}

// NewPipe starts serving remote.
func NewPipe(remote *Remote) *Pipe {
	p := &Pipe{Remote: remote, conns: make(chan net.Conn), closed: make(chan struct{})}
	p.server = &http.Server{Handler: remote}
	p.served.Go(func() { p.server.Serve((*pipeListener)(p)) })
	return p
}

// Dial connects to the remote, whatever the address. It fits http.Transport.DialContext.
func (p *Pipe) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close breaks off all connections and waits until their replies have ended.
func (p *Pipe) Close() {
	p.server.Close()
	p.served.Wait()
	p.settle()
}

// pipeListener is the Pipe as its server sees it.
type pipeListener Pipe

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
