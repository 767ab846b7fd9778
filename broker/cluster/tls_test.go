package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func testKey(t *testing.T) *Key {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// nodeTLS is the configuration of a node whose clock is off.
func nodeTLS(t *testing.T, k *Key, node string, off time.Duration) *tls.Config {
	t.Helper()
	c, err := k.NodeTLS(node)
	if err != nil {
		t.Fatal(err)
	}
	if off == 0 {
		return c
	}
	own := &certificate{authority: k.authority, node: node, host: k.host(), now: func() time.Time { return time.Now().Add(off) }}
	first, err := c.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	own.key = privateKey(t, first)
	return own.config()
}

// handshake lets two ends shake hands and pass a byte each way, so that both have taken the other's
// certificate. It returns each end's error.
func handshake(client, server *tls.Config) (clientErr, serverErr error) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	served := make(chan error, 1)
	go func() { served <- pass(tls.Server(b, server)); b.Close() }()
	clientErr = pass(tls.Client(a, client))
	a.Close()
	return clientErr, <-served
}

func pass(c *tls.Conn) error {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // an error is that of the handshake
	if err := c.Handshake(); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { _, err := c.Write([]byte{1}); sent <- err }()
	_, err := io.ReadFull(c, make([]byte, 1))
	return errors.Join(err, <-sent)
}

func TestNodesTrustTheirOwnAuthorityOnly(t *testing.T) {
	k, other := testKey(t), testKey(t)
	plain := func(c *tls.Config) *tls.Config { // shows no certificate
		c = c.Clone()
		c.GetClientCertificate = nil
		return c
	}
	clientOnly := leafFor(t, k, x509.ExtKeyUsageClientAuth)
	serverOnly := leafFor(t, k, x509.ExtKeyUsageServerAuth)
	n := func(k *Key) *tls.Config { return nodeTLS(t, k, "n", 0) }
	foreignName := n(other)
	foreignName.ServerName = k.host()
	elsewhere := n(k)
	elsewhere.ServerName = "elsewhere"
	for _, tt := range []struct {
		name           string
		client, server *tls.Config
		ok             bool
	}{
		{"two nodes", n(k), n(k), true},
		{"the same node again", n(k), n(k), true},
		{"a client of another cluster", foreignName, n(k), false},
		{"a server of another cluster", n(k), n(other), false},
		{"a client without a certificate", plain(n(k)), n(k), false},
		{"a server's certificate for a client", showing(n(k), serverOnly), n(k), false},
		{"a client's certificate for a server", n(k), showing(n(k), clientOnly), false},
		{"a client that looks for another name", elsewhere, n(k), false},
		{"a client of an older TLS", older(n(k)), n(k), false},
	} {
		clientErr, serverErr := handshake(tt.client, tt.server)
		if ok := clientErr == nil && serverErr == nil; ok != tt.ok {
			t.Errorf("%s: client %v, server %v", tt.name, clientErr, serverErr)
		}
	}
}

func TestClocksMayBeWrong(t *testing.T) {
	k := testKey(t)
	for _, tt := range []struct {
		name string
		off  time.Duration
		ok   bool
	}{
		{"slow by a day", -24 * time.Hour, true},
		{"fast by a day", 24 * time.Hour, true},
		{"fast by a month", 30 * 24 * time.Hour, false},
		{"slow by a month", -30 * 24 * time.Hour, false},
	} {
		wrong, right := nodeTLS(t, k, "wrong", tt.off), nodeTLS(t, k, "right", 0)
		for _, ends := range [][2]*tls.Config{{wrong, right}, {right, wrong}} {
			clientErr, serverErr := handshake(ends[0], ends[1])
			if ok := clientErr == nil && serverErr == nil; ok != tt.ok {
				t.Errorf("%s: client %v, server %v", tt.name, clientErr, serverErr)
			}
		}
	}
}

func TestCertificatesAreRenewed(t *testing.T) {
	k := testKey(t)
	now := time.Now()
	config := nodeTLS(t, k, "n", 0)
	first, err := config.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &certificate{authority: k.authority, node: "n", host: k.host(), key: privateKey(t, first), now: func() time.Time { return now }}
	serial := func() string {
		t.Helper()
		cert, err := c.current()
		if err != nil {
			t.Fatal(err)
		}
		if now.Before(cert.Leaf.NotBefore) || !now.Before(cert.Leaf.NotAfter) {
			t.Errorf("at %s the certificate is good from %s to %s", now, cert.Leaf.NotBefore, cert.Leaf.NotAfter)
		}
		return cert.Leaf.SerialNumber.String()
	}
	last := serial()
	for _, tt := range []struct {
		name string
		pass time.Duration
		same bool
	}{
		{"an hour", time.Hour, true},
		{"a day", 24 * time.Hour, false},
		{"nothing", 0, true},
		{"a year", 365 * 24 * time.Hour, false},
		{"the clock is set back", -24 * time.Hour, false},
	} {
		now = now.Add(tt.pass)
		next := serial()
		if (next == last) != tt.same {
			t.Errorf("after %s the certificate is the same: %v", tt.name, next == last)
		}
		last = next
	}
}

func TestANodeNeedsAName(t *testing.T) {
	if _, err := testKey(t).NodeTLS(""); err == nil {
		t.Error("a node without a name has TLS")
	}
}
