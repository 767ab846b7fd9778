package source

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// acceptEncoding is what every request asks for.
const acceptEncoding = "gzip, zstd, br"

// maxWindow is how far back zstd may refer, as RFC 9659 bounds it for HTTP.
const maxWindow = 8 << 20

var errEncoding = errors.New("content encoding was not asked for")

// decoded returns body without its content encoding. It reads no more than it needs for what it
// returns, so that an event is there once it has been flushed.
func decoded(body io.ReadCloser, encoding string) (io.ReadCloser, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return &decoder{body: body, open: openGzip}, nil
	case "zstd":
		return &decoder{body: body, open: openZstd}, nil
	case "br":
		return &decoder{body: body, open: openBrotli}, nil
	}
	return nil, fmt.Errorf("%q: %w", encoding, errEncoding)
}

// decoder opens its reader at the first Read, since that waits for the body's first bytes.
type decoder struct {
	body  io.ReadCloser
	open  func(io.Reader) (io.Reader, func(), error)
	r     io.Reader
	close func()
	err   error
}

func (d *decoder) Read(p []byte) (int, error) {
	if d.r == nil && d.err == nil {
		d.r, d.close, d.err = d.open(d.body)
	}
	if d.err != nil {
		return 0, d.err
	}
	return d.r.Read(p)
}

// Close is not for use while a Read is under way.
func (d *decoder) Close() error {
	if d.close != nil {
		d.close()
	}
	return d.body.Close()
}

func openGzip(r io.Reader) (io.Reader, func(), error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, nil, err
	}
	return z, func() { z.Close() }, nil
}

func openZstd(r io.Reader) (io.Reader, func(), error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(2*maxWindow))
	if err != nil {
		return nil, nil, err
	}
	return z, z.Close, nil
}

func openBrotli(r io.Reader) (io.Reader, func(), error) {
	return brotli.NewReader(r), func() {}, nil
}
