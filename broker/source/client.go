package source

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

// maxHeaderBytes bounds a response's headers.
const maxHeaderBytes = 64 << 10

// ClientConfig says what a Client may reach. Its functions are called by many goroutines at once.
type ClientConfig struct {
	// AllowPrivate lets it reach loopback and private addresses. Link-local ones and those of
	// clouds' metadata are refused always.
	AllowPrivate bool

	// Hosts tells whether a host, in lower case and without port, may be reached; nil allows all.
	Hosts func(host string) bool

	// Secrets returns the value for {{secret.NAME}} in a request to host, in lower case and without
	// port; nil has none. An error that wraps ErrNoSecret or abi.Denied is for good, others may pass.
	Secrets func(ctx context.Context, name, host string) (string, error)
}

// Client opens remote streams. It is safe for concurrent use.
type Client struct {
	config    ClientConfig
	transport *http.Transport
	http      *http.Client
}

// NewClient returns a client. It uses no proxy, since the proxy would resolve names in its stead.
func NewClient(config ClientConfig) *Client {
	dialer := &net.Dialer{Control: guard{config.AllowPrivate}.control}
	c := &Client{config: config, transport: &http.Transport{
		DialContext:            dialer.DialContext,
		DisableCompression:     true, // it asks and decodes itself
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConns:           16,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}}
	c.http = &http.Client{Transport: c.transport, CheckRedirect: c.checkRedirect}
	return c
}

// Close closes the connections that no stream uses.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Connect sends r and returns the stream of its response, which lives at most as long as ctx. The
// error is a *RequestError, or a *StatusError for a status other than 2xx and for 204. What both
// wrap tells more: a *FieldError, abi.Denied for hosts and addresses out of reach, ErrNoSecret,
// ErrNoHeaders, ErrTooLong.
func (c *Client) Connect(ctx context.Context, r Request) (*Stream, error) {
	r, err := r.withDefaults()
	if err != nil {
		return nil, &RequestError{Err: err}
	}
	secrets := &filler{}
	clocks := startClocks(ctx, r)
	response, err := c.send(clocks, r, secrets)
	if err != nil {
		clocks.stop()
		return nil, secrets.hiddenIn(err)
	}
	stream, err := newStream(response, r, clocks, secrets)
	if err != nil {
		response.Body.Close()
		clocks.stop()
		return nil, secrets.hiddenIn(err)
	}
	return stream, nil
}

func (c *Client) send(clocks *clocks, r Request, secrets *filler) (*http.Response, error) {
	var sent atomic.Bool
	ctx := httptrace.WithClientTrace(clocks.ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, r.body())
	if err != nil {
		return nil, &RequestError{Err: errors.New("request cannot be made")}
	}
	if err := c.checkHost(request.URL); err != nil {
		return nil, &RequestError{Err: err}
	}
	filled, err := secrets.fill(clocks.ctx, r.Headers, c.secretsFor(hostOf(request.URL)))
	if err != nil {
		return nil, &RequestError{Err: clocks.cause(err)}
	}
	request.Header = r.header(filled)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, &RequestError{Sent: sent.Load(), Err: describe(r, clocks.cause(withoutResolver(withoutURL(err))))}
	}
	return response, nil
}

// secretsFor returns the secrets for requests to host.
func (c *Client) secretsFor(host string) func(ctx context.Context, name string) (string, error) {
	return func(ctx context.Context, name string) (string, error) {
		if c.config.Secrets == nil {
			return "", ErrNoSecret
		}
		return c.config.Secrets(ctx, name, host)
	}
}

// checkHost refuses hosts that are not for the tenant, before they are even looked up.
func (c *Client) checkHost(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return denied("scheme %q", u.Scheme)
	}
	host := hostOf(u)
	if c.config.Hosts != nil && !c.config.Hosts(host) {
		return denied("host %s", host)
	}
	return nil
}

// hostOf is a URL's host in lower case, without port and without the dot of a name that is complete.
func hostOf(u *url.URL) string { return strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")) }

// withoutURL returns what is in an error of net/http, whose text has the whole URL.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// withoutResolver returns an error that does not tell tenants where this node looks names up.
func withoutResolver(err error) error {
	var of *net.DNSError
	if errors.As(err, &of) {
		told := *of
		told.Server = ""
		return &told
	}
	return err
}

// describe says what was tried, without the query, where some put keys.
func describe(r Request, err error) error {
	u, parseErr := url.Parse(r.URL)
	if parseErr != nil {
		return err
	}
	return fmt.Errorf("%s %s://%s%s: %w", r.Method, u.Scheme, u.Host, u.EscapedPath(), err)
}

// newStream returns the stream of a response, or the error that its status is.
func newStream(response *http.Response, r Request, clocks *clocks, secrets *filler) (*Stream, error) {
	body, err := decoded(response.Body, response.Header.Get("Content-Encoding"))
	if response.StatusCode < 200 || response.StatusCode > 299 || response.StatusCode == http.StatusNoContent {
		if err != nil {
			body = response.Body
		}
		defer body.Close()
		return nil, newStatusError(response, body, secrets)
	}
	if err != nil {
		return nil, &RequestError{Sent: true, Err: err}
	}
	clocks.opened()
	s := &Stream{
		response: abi.Response{
			URL: secrets.hidden(response.Request.URL.String()), Status: response.StatusCode,
			Headers: secrets.plain(response.Header), LastEventID: r.LastEventID,
		},
		body: body, clocks: clocks, secrets: secrets, lastID: r.LastEventID,
	}
	if r.SSE || isEventStream(response.Header.Get("Content-Type")) {
		s.events = sse.NewParser(r.MaxEventBytes)
	} else {
		s.events, s.byLine = newLines(r.MaxEventBytes), true
	}
	return s, nil
}
