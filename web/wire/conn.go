package wire

import (
	"context"
	"net"
	"net/http"
	"time"
)

type connKey struct{}

// ConnContext is for http.Server.ConnContext. It lets Serve know a request's connection. Without it
// loops take none, and what the kernel keeps for a connection is not bounded.
func (w *Writers) ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// boundConn bounds what the kernel keeps of a connection that net/http serves, and for how long it
// tries to send it.
func boundConn(r *http.Request, sendBytes int, patience time.Duration) {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	if layer, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = layer.NetConn()
	}
	if c, ok := c.(*net.TCPConn); ok {
		boundTCP(c, sendBytes, patience)
	}
}
