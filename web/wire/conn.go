package wire

import (
	"context"
	"net"
	"net/http"
)

type connKey struct{}

// ConnContext is for http.Server.ConnContext. It lets Serve know a request's connection. Without it
// loops take none, and what the kernel keeps for a connection is not bounded.
func (w *Writers) ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// tcpConn is the connection of a request that net/http serves, or what lies below its TLS; nil if it is
// not known, or no TCP.
func tcpConn(r *http.Request) *net.TCPConn {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	if layer, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = layer.NetConn()
	}
	tcp, _ := c.(*net.TCPConn)
	return tcp
}
