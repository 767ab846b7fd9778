package bench

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// target is where a Request goes, and the request as bytes.
type target struct {
	address *net.TCPAddr
	tls     *tls.Config // nil for http
	request Request
	url     *url.URL
}

// newTarget resolves the server of a request. anyHost allows those beyond loopback.
func newTarget(q Request, anyHost bool) (*target, error) {
	u, err := url.Parse(strings.ReplaceAll(q.URL, "{lastid}", ""))
	if err != nil {
		return nil, err
	}
	t := &target{request: q, url: u}
	port := u.Port()
	switch u.Scheme {
	case "http":
		port = portOr(port, "80")
	case "https":
		port = portOr(port, "443")
		t.tls = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}
	default:
		return nil, fmt.Errorf("%q is no URL of a server, such as http://127.0.0.1:8080/stream", q.URL)
	}
	if t.address, err = net.ResolveTCPAddr("tcp", net.JoinHostPort(u.Hostname(), port)); err != nil {
		return nil, err
	}
	if !t.address.IP.IsLoopback() && !anyHost {
		return nil, fmt.Errorf("%s: %w", u.Host, ErrNotHere)
	}
	for _, line := range q.Header {
		if name, _, ok := strings.Cut(line, ":"); !ok || name == "" || strings.ContainsAny(line, "\r\n") {
			return nil, fmt.Errorf("header %q is not NAME: VALUE", line)
		}
	}
	return t, nil
}

func portOr(port, otherwise string) string {
	if port == "" {
		return otherwise
	}
	return port
}

// resumes tells whether the request says where it stands for the id to resume after.
func (t *target) resumes() bool {
	return strings.Contains(t.request.URL+strings.Join(t.request.Header, "\n"), "{lastid}")
}

// head is the request up to its body, with the header lines that are given besides its own.
func (t *target) head(lastID string, more ...string) []byte {
	u := t.url.RequestURI()
	if raw, err := url.Parse(strings.ReplaceAll(t.request.URL, "{lastid}", url.QueryEscape(lastID))); err == nil {
		u = raw.RequestURI()
	}
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", t.request.Method, u, t.url.Host)
	for _, line := range append(append([]string(nil), t.request.Header...), more...) {
		b = append(b, strings.ReplaceAll(line, "{lastid}", lastID)+"\r\n"...)
	}
	return append(b, "\r\n"...)
}

// streamHead is the request of a viewer that resumes after lastID, or begins live with none.
func (t *target) streamHead(lastID string) []byte {
	more := []string{"Accept: text/event-stream"}
	if lastID != "" && !t.resumes() {
		more = append(more, "Last-Event-ID: {lastid}")
	}
	return t.head(lastID, more...)
}
