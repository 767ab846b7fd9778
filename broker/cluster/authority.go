package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

const (
	// certificateFor is how long a node's certificate is good, skew how far its begin lies in the
	// past: so wrong may two nodes' clocks be about each other. It is renewed after renewAfter,
	// which leaves other nodes' clocks as much room ahead.
	certificateFor = 7 * 24 * time.Hour
	skew           = 48 * time.Hour
	renewAfter     = 24 * time.Hour
)

// never is RFC 5280's "no well-defined expiration date". The authority lives as long as its file: an
// end would be that of the cluster, on a day that nobody remembers.
var never = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// authority signs the certificates of the nodes.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority() (a authority, err error) {
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return a, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Millrace cluster"},
		NotBefore:             time.Now().Add(-skew),
		NotAfter:              never,
		IsCA:                  true,
		MaxPathLenZero:        true, // it signs nodes, and no further authorities
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return a, err
	}
	a.certificate, err = x509.ParseCertificate(der)
	return a, err
}

// sign makes a certificate for key that is good for nodes as clients and as servers.
func (a authority) sign(node, host string, key crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: node},
		DNSNames:    []string{host},
		NotBefore:   now.Add(-skew),
		NotAfter:    now.Add(certificateFor),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key, a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// encode returns the authority's parts as PEM.
func (a authority) encode() (certificate, key string, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return "", "", err
	}
	return toPEM(certificateBlock, a.certificate.Raw), toPEM(keyBlock, der), nil
}

const certificateBlock, keyBlock = "CERTIFICATE", "PRIVATE KEY"

func toPEM(block string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der}))
}

func fromPEM(block, text string) ([]byte, error) {
	b, rest := pem.Decode([]byte(text))
	if b == nil || b.Type != block || len(rest) > 0 {
		return nil, fmt.Errorf("is not one PEM block %s", block)
	}
	return b.Bytes, nil
}

// parseAuthority reads what encode returns. The parts must belong together.
func parseAuthority(certificate, key string) (a authority, err error) {
	der, err := fromPEM(certificateBlock, certificate)
	if err != nil {
		return a, fmt.Errorf("authority's certificate %w", err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return a, fmt.Errorf("authority's certificate: %w", err)
	}
	if der, err = fromPEM(keyBlock, key); err != nil {
		return a, fmt.Errorf("authority's key %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return a, fmt.Errorf("authority's key: %w", err)
	}
	var ok bool
	if a.key, ok = parsed.(*ecdsa.PrivateKey); !ok {
		return a, errors.New("authority's key is not of an elliptic curve")
	}
	if !a.key.PublicKey.Equal(a.certificate.PublicKey) || !a.certificate.IsCA {
		return a, errors.New("authority's certificate is not of its key")
	}
	return a, nil
}
