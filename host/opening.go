package host

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"

	"github.com/millrace/millrace/abi"
)

// open implements open(request document) -> handle or status. It waits until the remote has answered.
func open(c *call, a args) int64 {
	r, err := openRequest(a.bytes(0), c.host.config.SendBytes)
	if err != nil {
		return status(err)
	}
	c.instance.burn(openWork)
	handle, err := c.open(r)
	if err != nil {
		return status(err)
	}
	return int64(handle)
}

// openWork is what it takes to open a stream, in bytes of work.
const openWork = 64 << 10

// openRequest reads a document, strictly: a misspelt field would otherwise be a default.
func openRequest(document []byte, most int) (r abi.OpenRequest, err error) {
	switch {
	case len(document) > most:
		return r, abi.TooBig
	case !utf8.Valid(document):
		return r, abi.Invalid
	}
	d := json.NewDecoder(bytes.NewReader(document))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, abi.Invalid
	}
	if _, err := d.Token(); err != io.EOF {
		return r, abi.Invalid
	}
	if r.URL == "" || min(r.ConnectTimeout, r.IdleTimeout, r.Timeout) < 0 {
		return r, abi.Invalid
	}
	return r, nil
}

// response implements response(handle, buffer) -> n or status. Handle 0 is that of a source whose
// callback runs.
func response(c *call, a args) int64 {
	a.buffer(1)
	handle := a.i32(0)
	if handle == 0 && c.session.Response != nil {
		return c.response.fill(c, a, 1, func() any { return c.session.Response })
	}
	r, err := c.remotes.find(handle)
	if err != nil {
		return status(err)
	}
	return r.response.fill(c, a, 1, func() any { return r.stream.Response() })
}

// end implements end(handle) -> status.
func end(c *call, a args) int64 { return status(c.remotes.end(a.i32(0))) }

// document is JSON that is kept until it fits the guest's buffer.
type document struct{ text []byte }

// fill writes the document to the buffer at that position of a. If none is kept it is made of what
// value returns.
func (d *document) fill(c *call, a args, at int, value func() any) int64 {
	if d.text == nil {
		text, err := json.Marshal(value())
		if err != nil {
			c.host.config.Logger.Error("encode document", "function", a.function, "error", err)
			return status(abi.Unavailable)
		}
		c.instance.burn(len(text))
		d.text = text
	}
	n, taken := a.fill(at, d.text)
	if taken {
		d.text = nil
	}
	return n
}
