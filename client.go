package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// defaultData is where serve keeps its data, and where commands on the same machine look for the
// operator's token.
const defaultData = "millrace-data"

// maxAnswer bounds what is read of one JSON answer, in bytes.
const maxAnswer = 16 << 20

// serverFlags say which server a command talks to, and as whom.
type serverFlags struct {
	Server string `default:"http://127.0.0.1:8080" placeholder:"URL" help:"The server (${default})."`
	CA     string `name:"ca" placeholder:"FILE" help:"Certificates, in PEM, to trust besides the system's when the server speaks HTTPS."`
	Token  string `placeholder:"TOKEN" help:"Token to use. Without one, and with a server on this machine, the operator's token in ./millrace-data is."`
}

// clientFlags are those of a command that is for one tenant.
type clientFlags struct {
	serverFlags
	Tenant string `required:"" placeholder:"NAME" help:"The tenant."`
}

func (f clientFlags) client() (*client, error) { return f.serverFlags.client(f.Tenant) }

// client calls the HTTP API of one server for one tenant, or for none if that is "".
type client struct {
	server *url.URL
	token  string
	tenant string
	http   *http.Client
}

// client returns what calls the server for a tenant.
func (f serverFlags) client(tenant string) (*client, error) {
	server, err := url.Parse(strings.TrimRight(f.Server, "/"))
	if err != nil || server.Host == "" || (server.Scheme != "http" && server.Scheme != "https") {
		return nil, fmt.Errorf("server %q is not a URL such as http://127.0.0.1:8080", f.Server)
	}
	token := f.Token
	if token == "" && isLoopback(server.Hostname()) {
		token, err = readAdminToken(filepath.Join(defaultData, adminTokenFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err // with none at all the server says what it needs
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 3 * time.Minute // a big module is compiled before the answer
	if f.CA != "" {
		if transport.TLSClientConfig, err = trusting(f.CA); err != nil {
			return nil, err
		}
	}
	return &client{server, token, tenant, &http.Client{Transport: transport}}, nil
}

// trusting is the configuration of connections that trust the certificates in a file, too.
func trusting(file string) (*tls.Config, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("certificates to trust: %w", err)
	}
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("certificates to trust: there is none in %s, as PEM", file)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// call is one request to the API.
type call struct {
	method string
	path   string // below /v1/tenants/{tenant}, or /v1 without a tenant, escaped by pathOf
	query  url.Values
	header map[string]string
	json   any       // the body as a value, or
	body   io.Reader // the body as bytes
	size   int64     // of body, if known; else 0
}

// do makes the call and decodes the answer's JSON into out, unless that is nil. A status of 400 and
// more is a *problem.
func (c *client) do(ctx context.Context, q call, out any) error {
	resp, err := c.send(ctx, q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body := io.LimitReader(resp.Body, maxAnswer)
	if out == nil {
		_, err = io.Copy(io.Discard, body)
		return err
	}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.server, err)
	}
	return nil
}

// send makes the call and returns the response with its body open. A status of 400 and more is a
// *problem.
func (c *client) send(ctx context.Context, q call) (*http.Response, error) {
	u := *c.server
	u.RawPath = u.EscapedPath() + c.below() + q.path
	u.Path, _ = url.PathUnescape(u.RawPath)
	u.RawQuery = q.query.Encode()
	if q.json != nil {
		b, err := json.Marshal(q.json)
		if err != nil {
			return nil, err
		}
		q.body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, u.String(), q.body)
	if err != nil {
		return nil, err
	}
	if q.json != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.size > 0 {
		req.ContentLength = q.size
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		return nil, readProblem(resp)
	}
	return resp, nil
}

// below is the path that those of calls are below of.
func (c *client) below() string {
	if c.tenant == "" {
		return "/v1"
	}
	return "/v1/tenants/" + url.PathEscape(c.tenant)
}

// unreachable makes a sentence of an error that came from below HTTP.
func (c *client) unreachable(err error) error {
	var dns *net.DNSError
	var untrusted *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &untrusted):
		return fmt.Errorf("the certificate of %s is not to be trusted (%w): name its authority with --ca", c.server, untrusted.Err)
	case errors.As(err, &noTLS):
		return fmt.Errorf("what answers at %s does not speak HTTPS: try --server http://%s", c.server, c.server.Host)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing answers at %s: start a server with millrace serve or demo, or name another with --server", c.server)
	case errors.As(err, &dns):
		return fmt.Errorf("the host %s of --server is not known", c.server.Hostname())
	}
	return err
}

// url is a path below the server, for people to open.
func (c *client) url(path string) string { return c.server.String() + path }

// pathOf joins parts to a path, each escaped.
func pathOf(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// isLoopback tells whether host, a name or an address, can only be this machine.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
