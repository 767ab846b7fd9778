package source

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
)

// MaxIDBytes is the longest last event id that is kept. It is more than abi.MaxNameBytes, since
// well-known remotes put a document into it.
const MaxIDBytes = 4096

// maxHeaders is how many headers a request can set.
const maxHeaders = 64

// Request is what one connection asks for. A zero field takes its default.
type Request struct {
	URL         string
	Method      string            // default GET
	Headers     map[string]string // values may hold {{secret.NAME}}
	Body        []byte
	ContentType string // of a body, unless Headers have one
	SSE         bool   // read as event stream whatever its content type
	LastEventID string

	ConnectTimeout time.Duration // until the response's headers; default 15 s
	IdleTimeout    time.Duration // without a byte; 0 is none
	Timeout        time.Duration // of the whole connection; 0 is none
	MaxEventBytes  int           // default abi.MaxSendBytes
}

func (r Request) withDefaults() (Request, error) {
	r.Method = cmp.Or(r.Method, http.MethodGet)
	r.ConnectTimeout = cmp.Or(r.ConnectTimeout, 15*time.Second)
	r.MaxEventBytes = cmp.Or(r.MaxEventBytes, abi.MaxSendBytes)
	err := errors.Join(checkURL(r.URL), checkMethod(r.Method), checkHeaders(r.Headers))
	if !sendable(r.LastEventID) {
		err = errors.Join(err, invalid("lastEventId", "has a control character, or over %d bytes", MaxIDBytes))
	}
	if r.ConnectTimeout < 0 || r.IdleTimeout < 0 || r.Timeout < 0 {
		err = errors.Join(err, invalid("timeout", "is negative"))
	}
	return r, err
}

// header is the request's header, with the secrets filled in already.
func (r Request) header(filled http.Header) http.Header {
	h := http.Header{"Cache-Control": {"no-cache"}, "Accept": {"text/event-stream, */*;q=0.5"}}
	if r.SSE {
		h.Set("Accept", "text/event-stream")
	}
	if len(r.Body) > 0 && r.ContentType != "" {
		h.Set("Content-Type", r.ContentType)
	}
	for name, values := range filled {
		h[spelling(r.Method, name)] = values
	}
	h.Set("Accept-Encoding", acceptEncoding)
	if r.LastEventID != "" {
		h.Set("Last-Event-ID", r.LastEventID)
	}
	return h
}

// spelling is how a header's name is written. net/http repeats a request on a connection that breaks,
// though the remote may have acted on it, if its header has one of two names. Other spellings of them,
// which mean the same, it does not know.
func spelling(method, name string) string {
	if method != http.MethodGet && (name == "Idempotency-Key" || name == "X-Idempotency-Key") {
		return strings.ToLower(name)
	}
	return name
}

func (r Request) body() io.Reader {
	if len(r.Body) == 0 {
		return nil
	}
	return bytes.NewReader(r.Body)
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return invalid("url", "is empty")
	case err != nil:
		return invalid("url", "cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return invalid("url", "is not http:// or https:// with a host")
	case u.User != nil:
		return invalid("url", "has credentials in it: they belong into a header, as a secret")
	}
	return nil
}

func checkMethod(method string) error {
	if !slices.Contains(methods, method) {
		return invalid("method", "is none of %s", strings.Join(methods, ", "))
	}
	return nil
}

// ownHeaders are those that the client sets itself.
var ownHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Length", "Host", "Keep-Alive", "Last-Event-Id",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func checkHeaders(headers map[string]string) (err error) {
	if len(headers) > maxHeaders {
		err = invalid("headers", "are more than %d", maxHeaders)
	}
	seen := make(map[string]bool, len(headers))
	for name, value := range headers {
		field, canonical := "headers."+name, http.CanonicalHeaderKey(name)
		switch {
		case !isToken(name):
			err = errors.Join(err, invalid("headers", "has the name %q, which no header can have", name))
		case slices.Contains(ownHeaders, canonical):
			err = errors.Join(err, invalid(field, "is set by the client itself"))
		case seen[canonical]:
			err = errors.Join(err, invalid(field, "is there twice"))
		case !isValue(value):
			err = errors.Join(err, invalid(field, "has a control character in it"))
		default:
			err = errors.Join(err, checkTemplate(field, value))
		}
		seen[canonical] = true
	}
	return err
}

// isToken tells whether s can be the name of a header.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

// isValue tells whether s can be the value of a header.
func isValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// sendable tells whether id can be sent as Last-Event-ID and arrive unchanged.
func sendable(id string) bool {
	return len(id) <= MaxIDBytes && isValue(id) && strings.TrimSpace(id) == id
}
