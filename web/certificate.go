package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// certificate is what the node shows for itself over HTTPS. Its files are read again when they have
// changed, so that renewing one needs no restart.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               atomic.Pointer[tls.Certificate]

	// The watcher's own.
	seen [2][]byte // what the files held when they were read last
	told string    // the trouble that was logged last
}

// maxCertificateBytes bounds each of the files: a chain of certificates has some kilobytes.
const maxCertificateBytes = 1 << 20

// openCertificate reads a certificate, with those between it and its authority behind it, and its key.
func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	_, err := c.read()
	return c, err
}

// read takes the files' content over if it is another than before and fits together.
func (c *certificate) read() (changed bool, err error) {
	chain, err := readBounded(c.certFile)
	if err != nil {
		return false, fmt.Errorf("read the TLS certificate: %w", err)
	}
	key, err := readBounded(c.keyFile)
	if err != nil {
		return false, fmt.Errorf("read the TLS key: %w", err)
	}
	if bytes.Equal(chain, c.seen[0]) && bytes.Equal(key, c.seen[1]) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return false, fmt.Errorf("TLS certificate %s and key %s are no pair in PEM: %w", c.certFile, c.keyFile, err)
	}
	if now := time.Now(); now.After(pair.Leaf.NotAfter) {
		c.log.Warn("TLS certificate has expired", "file", c.certFile, "at", pair.Leaf.NotAfter)
	}
	c.seen = [2][]byte{chain, key}
	c.now.Store(&pair)
	return true, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCertificateBytes+1))
	if err == nil && len(b) > maxCertificateBytes {
		err = fmt.Errorf("%s has more than %d bytes", path, maxCertificateBytes)
	}
	return b, err
}

// watch looks at the files until ctx ends. While they are unfit, such as between the writing of the
// one and of the other, the certificate stays.
func (c *certificate) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := c.read()
		switch {
		case changed:
			c.log.Info("TLS certificate was renewed", "expires", c.now.Load().Leaf.NotAfter)
		case err != nil && err.Error() != c.told:
			c.log.Error("TLS certificate cannot be renewed; the one before stays", "error", err)
		}
		c.told = ""
		if err != nil {
			c.told = err.Error()
		}
	}
}

// config is that of the connections. What is older than TLS 1.2 is refused.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now.Load(), nil },
	}
}

// openCertificate reads the configured files; there is none without them.
func (c Config) openCertificate() (*certificate, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	return openCertificate(c.CertFile, c.KeyFile, c.Logger)
}
