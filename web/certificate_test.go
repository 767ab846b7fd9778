package web_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/web"
)

// writeCertificate writes a new certificate of 127.0.0.1 that is its own authority, and its key.
func writeCertificate(t testing.TB, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	check(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600))
	check(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return certFile, keyFile
}

// trust is the configuration of a client that trusts a certificate.
func trust(t testing.TB, certFile string) *tls.Config {
	t.Helper()
	b, err := os.ReadFile(certFile)
	check(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	return &tls.Config{RootCAs: pool}
}

func trusting(t testing.TB, certFile string) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: trust(t, certFile), ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestCertificatesAreRenewedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := writeCertificate(t, dir, 1)
	n := startNode(t, web.Config{CertFile: certFile, KeyFile: keyFile, CertCheck: time.Millisecond})
	serial := func() int64 {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(n.url, "https://"), &tls.Config{InsecureSkipVerify: true})
		check(t, err)
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Fatalf("certificate %d, want 1", got)
	}
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
	open := n.open("/t/acme/a")
	writeCertificate(t, dir, 2)
	n.eventually("the new certificate", func() bool { return serial() == 2 })
	check(t, os.WriteFile(keyFile, []byte("half of a k"), 0o600))
	for range 50 { // it has been looked at by then, or will be below
		if got := serial(); got != 2 {
			t.Fatalf("certificate %d while its key is broken, want the one before", got)
		}
	}
	writeCertificate(t, dir, 3)
	n.eventually("the third certificate", func() bool { return serial() == 3 })
	n.client = trusting(t, certFile)
	n.publish("acme", "a", "still open")
	open.want("still open")
}

func TestUnfitCertificatesAreRefused(t *testing.T) {
	certFile, keyFile := writeCertificate(t, t.TempDir(), 1)
	otherCert, _ := writeCertificate(t, t.TempDir(), 2)
	n := startNode(t, web.Config{})
	for _, tt := range []struct{ name, cert, key, want string }{
		{"no key", certFile, "", "go together"},
		{"no certificate", "", keyFile, "go together"},
		{"a certificate that is not there", "none.pem", keyFile, "none.pem"},
		{"a key that is not there", certFile, "none.pem", "none.pem"},
		{"a key of another", otherCert, keyFile, "no pair"},
		{"the files swapped", keyFile, certFile, "no pair"},
		{"a file that has no end", certFile, "/dev/zero", "more than"},
	} {
		_, err := web.New(web.Config{Broker: n.broker, Host: n.host, AdminToken: adminToken, CertFile: tt.cert, KeyFile: tt.key})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error that says %q", tt.name, err, tt.want)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	certFile, keyFile := writeCertificate(t, t.TempDir(), 1)
	n := startNode(t, web.Config{CertFile: certFile, KeyFile: keyFile})
	address := strings.TrimPrefix(n.url, "https://")
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c := trust(t, certFile)
		c.MinVersion, c.MaxVersion = version, version
		conn, err := tls.Dial("tcp", address, c)
		if err == nil {
			conn.Close()
		}
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	conn, err := net.Dial("tcp", address)
	check(t, err)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	check(t, err)
	if got, _ := io.ReadAll(conn); !strings.Contains(string(got), " 400 ") {
		t.Errorf("plain HTTP at an address of HTTPS is answered with %q, want a 400", got)
	}
}
