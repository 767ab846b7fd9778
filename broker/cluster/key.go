package cluster

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nkeys"
)

// masterBytes is the length of the secret that others are derived from.
const masterBytes = 32

// Key is what every node of a cluster is given. Whoever has it is the cluster's operator. It does not
// change, and is safe for concurrent use. Printed or logged, it shows the cluster's name only.
type Key struct {
	operator  Operator
	authority authority
}

// Operator is the identity that tenants' accounts hang on. It is the same on every node.
type Operator struct {
	Identity nkeys.KeyPair // of the operator
	Signing  nkeys.KeyPair // the operator's, for accounts
	System   nkeys.KeyPair // of the system account
	Master   []byte        // 32 bytes; accounts' keys are derived from it
}

// NewKey makes the key of a new cluster.
func NewKey() (*Key, error) {
	op, err := newOperator()
	if err != nil {
		return nil, fmt.Errorf("make operator keys: %w", err)
	}
	a, err := newAuthority()
	if err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	return &Key{op, a}, nil
}

func newOperator() (op Operator, err error) {
	op.Master = make([]byte, masterBytes)
	rand.Read(op.Master) // never fails: it ends the program instead
	var errs [3]error
	op.Identity, errs[0] = nkeys.CreateOperator()
	op.Signing, errs[1] = nkeys.CreateOperator()
	op.System, errs[2] = nkeys.CreateAccount()
	return op, errors.Join(errs[:]...)
}

// Operator is the operator that the nodes share. Its Master is not to be changed.
func (k *Key) Operator() Operator { return k.operator }

// Name is the cluster's name. Other keys make others, so nodes with different keys never join.
func (k *Key) Name() string {
	return "millrace-" + hex.EncodeToString(k.derive("name", 4))
}

// AdminToken is the operator's token for the HTTP API, in the form of those that single nodes make.
func (k *Key) AdminToken() string {
	return "mr_admin_" + base64.RawURLEncoding.EncodeToString(k.derive("admin token", 32))
}

// ClusterSecret is the password that nodes send one another, once TLS is up. It stands between the
// cluster and a certificate that was made with the authority's key but without the rest of this file.
func (k *Key) ClusterSecret() string {
	return base64.RawURLEncoding.EncodeToString(k.derive("routes", 32))
}

// derive makes a secret of n bytes, at most 8160, for one purpose. Nothing of the master or of other
// purposes' secrets can be told from it.
func (k *Key) derive(purpose string, n int) []byte {
	b, err := hkdf.Key(sha256.New, k.operator.Master, nil, "millrace cluster "+purpose, n)
	if err != nil {
		panic(err) // n is a constant of this package
	}
	return b
}

// String shows nothing secret.
func (k *Key) String() string { return "cluster key of " + k.Name() }

// GoString is String, for %#v.
func (k *Key) GoString() string { return k.String() }

// LogValue is String, for slog.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }
