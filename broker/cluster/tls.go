package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"
)

// NodeTLS is how node talks to the others, both as client and as server. Each side shows a
// certificate that the key's authority has signed, and trusts nothing else. Host names and addresses
// do not matter, so that nodes may move: all certificates are for one name, which is the cluster's.
//
// The node's private key is made here, and lives in memory only. Its certificate is good for seven
// days, from two days ago, and is replaced each day at the first connection; connections that exist
// go on. Clocks of two nodes may so differ by two days.
func (k *Key) NodeTLS(node string) (*tls.Config, error) {
	if node == "" {
		return nil, errors.New("a node without a name has no certificate")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of node %s: %w", node, err)
	}
	c := &certificate{authority: k.authority, node: node, host: k.host(), key: key, now: time.Now}
	if _, err := c.current(); err != nil {
		return nil, err
	}
	return c.config(), nil
}

// host is the name that the nodes' certificates are for. It is in no DNS.
func (k *Key) host() string { return k.Name() + ".internal" }

// certificate is a node's own, renewed as time goes by.
type certificate struct {
	authority  authority
	node, host string
	key        *ecdsa.PrivateKey
	now        func() time.Time

	mu   sync.Mutex
	last *tls.Certificate
	made time.Time
}

func (c *certificate) config() *tls.Config {
	trusted := x509.NewCertPool()
	trusted.AddCert(c.authority.certificate)
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		ServerName:           c.host,
		RootCAs:              trusted,
		ClientCAs:            trusted,
		ClientAuth:           tls.RequireAndVerifyClientCert,
		Time:                 c.now,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.current() },
		// A resumed session would outlive the certificate that it was begun with.
		SessionTicketsDisabled: true,
	}
}

// current returns the certificate, made anew if it is a day old or the clock was set back beyond its
// making.
func (c *certificate) current() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now().Round(0) // the wall clock, which the certificate's times are of
	if age := now.Sub(c.made); c.last != nil && age >= 0 && age < renewAfter {
		return c.last, nil
	}
	leaf, err := c.authority.sign(c.node, c.host, c.key.Public(), now)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of node %s: %w", c.node, err)
	}
	c.last, c.made = &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: c.key, Leaf: leaf}, now
	return c.last, nil
}
