package browser

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/millrace/millrace/tests/program"
)

// secured is a server that speaks HTTPS, with the operator as its client.
type secured struct {
	*program.Client
	key string // of the certificate, as a browser is told to trust it
}

// startSecured starts one with a certificate of its own, which this process trusts from then on.
func startSecured(t *testing.T) *secured {
	t.Helper()
	dir := t.TempDir()
	cert, key, pin := writeCertificate(t, dir)
	t.Setenv("SSL_CERT_FILE", cert)
	out := &printed{}
	data := filepath.Join(dir, "data")
	p, err := program.StartProcess(out, nil, program.Binary(),
		"serve", "--listen", "127.0.0.1:0", "--data", data, "--tls-cert", cert, "--tls-key", key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	url := out.awaitURL(t, p)
	token, err := os.ReadFile(filepath.Join(data, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	return &secured{program.NewClient(t, url, strings.TrimSpace(string(token))), pin}
}

// writeCertificate writes a certificate of 127.0.0.1 and its key. pin is the hash of the public key.
func writeCertificate(t *testing.T, dir string) (certFile, keyFile, pin string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hash := sha256.Sum256(public)
	return certFile, keyFile, base64.StdEncoding.EncodeToString(hash[:])
}

// printed is what a server has printed.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

var servesURL = regexp.MustCompile(`Millrace serves (https://\S+)`)

func (p *printed) awaitURL(t *testing.T, process *program.Process) string {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		p.mu.Lock()
		text := p.text.String()
		p.mu.Unlock()
		if m := servesURL.FindStringSubmatch(text); m != nil {
			return m[1]
		}
		select {
		case <-poll.C:
		case <-process.Ended:
			t.Fatalf("the server ended:\n%s", text)
		}
	}
	t.Fatal("the server does not become ready")
	return ""
}

// TestMoreSourcesThanABrowserHasConnections: over HTTP/1.1 Chromium opens six to a server, and the
// seventh EventSource waits for ever. HTTP/2 carries all of them in one.
func TestMoreSourcesThanABrowserHasConnections(t *testing.T) {
	const sources = 40
	chromium(t)
	s := startSecured(t)
	s.Put("/v1/tenants/acme", nil)
	s.Put("/v1/tenants/acme/routes/news", map[string]any{
		"path": "/news", "subjects": []string{"news"}, "access": "public", "cors": "*",
	})
	p := openPage(t, chromedp.Flag("ignore-certificate-errors-spki-list", s.key))
	for range sources {
		p.follow(s.URL+"/t/acme/news?last_event_id=earliest", "end", "message", "end")
	}
	publish := func(e program.Event) {
		t.Helper()
		e.Subject = "news"
		if _, err := s.Publish(t.Context(), "acme", e); err != nil {
			t.Fatal(err)
		}
	}
	publish(program.Event{Data: "to all at once"})
	p.await(sources)
	publish(program.Event{Data: "end", Name: "end"})
	if got := p.await(2 * sources); got.Opens != sources || got.Breaks != 0 {
		t.Errorf("the page saw %d streams open and %d break, want %d and none", got.Opens, got.Breaks, sources)
	}
}
