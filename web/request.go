package web

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/millrace/millrace/abi"
)

// passedHeaders are the request's headers that callbacks see: none that carries a secret.
var passedHeaders = []string{
	"Accept", "Accept-Language", "Content-Type", "Idempotency-Key", "Origin", "Referer", "User-Agent",
	"Traceparent", "X-Request-Id",
}

// newRequest is the viewer's request as its callback sees it. c has the route's parameters.
func newRequest(c echo.Context, r *route, path string) (*abi.Request, error) {
	h := c.Request()
	req := &abi.Request{
		Method: h.Method, Path: path, Params: map[string]string{}, Query: h.URL.Query(), Headers: map[string]string{},
		LastEventID: lastEventID(h), Tenant: r.tenant, Route: r.name, Async: r.spec.Async,
	}
	for i, name := range c.ParamNames() {
		v, err := url.PathUnescape(c.ParamValues()[i])
		if err != nil {
			return nil, fail(http.StatusBadRequest, "The path is not escaped as it should be.")
		}
		req.Params[name] = v
	}
	for _, name := range passedHeaders {
		if v := h.Header.Get(name); v != "" {
			req.Headers[name] = v
		}
	}
	req.RemoteAddress, _, _ = net.SplitHostPort(h.RemoteAddr)
	return req, nil
}

// bodyTimeout is for a request's body to arrive.
const bodyTimeout = time.Minute

// readBody reads a request's body up to limit bytes, 0 being the default. Past it is a 413.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if limit <= 0 {
		limit = abi.MaxBodyBytes
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout))
	defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return nil, fail(http.StatusRequestEntityTooLarge, "The body is over %d bytes.", tooBig.Limit)
	}
	if err != nil {
		return nil, fail(http.StatusBadRequest, "The body broke off before its end.")
	}
	return b, nil
}
