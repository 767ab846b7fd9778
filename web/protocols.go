package web

import (
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// The bounds of what a connection may ask for, beside those that net/http has of its own: streams that
// are reset count until their handlers have returned, and control frames that wait cut a connection.
const (
	maxHeaderBytes = 64 << 10
	maxConnStreams = 250 // open requests of one HTTP/2 connection; proxies open further connections
)

// listener is what answers requests: HTTP/1.1 and HTTP/2, both over TLS if there is a certificate, else
// both in cleartext, where HTTP/2 takes clients that know of it.
func (s *Server) listener() *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           s,
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ConnContext:       s.writers.ConnContext,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxConnStreams,
			// Who is silent for this long is asked, and is gone after as long again. The kernel finds out
			// sooner unless a proxy acknowledges for a client that is gone.
			SendPingTimeout:  s.config.WriteTimeout,
			PingTimeout:      s.config.WriteTimeout,
			WriteByteTimeout: s.config.WriteTimeout,
		},
	}
	if s.certificate != nil {
		server.TLSConfig = s.certificate.config()
	}
	return server
}

// listen answers on l until the server is shut down.
func (s *Server) listen(server *http.Server, l net.Listener) error {
	if s.certificate == nil {
		return server.Serve(l)
	}
	return server.ServeTLS(l, "", "")
}

// streamResponse is the response of a stream.
type streamResponse struct{ *echo.Response }

// FlushError is for http.ResponseController; Echo's own Flush keeps the error for itself. It lifts the
// deadline of the write before: in HTTP/2 that would end the stream even though nothing is being
// written any more, and in HTTP/1.1 keep the end of the response from being written.
func (r streamResponse) FlushError() error {
	rc := http.NewResponseController(r.Writer)
	err := rc.Flush()
	if err == nil {
		_ = rc.SetWriteDeadline(time.Time{}) // an error is the stream's end, which the next write tells
	}
	return err
}

// ending bounds the time in which the end of the response is written, if it is not a loop's to write.
func (r streamResponse) ending() {
	_ = http.NewResponseController(r.Writer).SetWriteDeadline(time.Now().Add(answerTimeout))
}
