// Package natstest sets NATS up for tests as whoever runs one does: an operator, whose servers trust
// it, store with JetStream and take accounts by a full resolver.
//
// It owns the servers that Start starts, in this process; the configuration is text, so that the same
// runs in others. It knows nothing of Millrace.
package natstest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// Operator is one with a system account, a user of that and a signing key.
type Operator struct {
	SigningKey  string // file of the seed
	Credentials string // file of the system account's user

	identity nkeys.KeyPair
	signing  nkeys.KeyPair
	account  nkeys.KeyPair // the system's
	users    nkeys.KeyPair // signs its users
	claims   *jwt.OperatorClaims
}

// NewOperator makes an operator, with its files in dir. A strict one signs by signing keys only, and so
// must its accounts.
func NewOperator(dir string, strict bool) (*Operator, error) {
	o := &Operator{
		SigningKey: filepath.Join(dir, "signing.nk"), Credentials: filepath.Join(dir, "system.creds"),
	}
	var errs [4]error
	o.identity, errs[0] = nkeys.CreateOperator()
	o.signing, errs[1] = nkeys.CreateOperator()
	o.account, errs[2] = nkeys.CreateAccount()
	o.users, errs[3] = nkeys.CreateAccount()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	o.claims = jwt.NewOperatorClaims(public(o.identity))
	o.claims.Name = "tests"
	o.claims.SystemAccount = public(o.account)
	o.claims.StrictSigningKeyUsage = strict
	o.claims.SigningKeys.Add(public(o.signing))
	seed, err := o.signing.Seed()
	if err != nil {
		return nil, err
	}
	return o, errors.Join(os.WriteFile(o.SigningKey, seed, 0o600), o.NewUser(o.Credentials, jwt.Permissions{}))
}

// NewUser writes the credentials of another user of the system account.
func (o *Operator) NewUser(path string, may jwt.Permissions) error {
	user, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	seed, err := user.Seed()
	if err != nil {
		return err
	}
	claims := jwt.NewUserClaims(public(user))
	claims.Permissions = may
	claims.IssuerAccount = public(o.account)
	token, err := claims.Encode(o.users)
	if err != nil {
		return err
	}
	b, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// Config is the part of a server's configuration that makes it the operator's; resolver is MEMORY or a
// block, such as { type: full, dir: accounts }.
func (o *Operator) Config(resolver string) (string, error) {
	operator, err := o.claims.Encode(o.identity)
	if err != nil {
		return "", err
	}
	claims := jwt.NewAccountClaims(public(o.account))
	claims.Name = "SYS"
	claims.SigningKeys.Add(public(o.users))
	system, err := claims.Encode(o.signing)
	if err != nil {
		return "", err
	}
	return strings.Join([]string{
		"operator: " + operator,
		"system_account: " + public(o.account),
		"resolver: " + resolver,
		fmt.Sprintf("resolver_preload: { %s: %s }", public(o.account), system),
	}, "\n"), nil
}

func public(key nkeys.KeyPair) string {
	text, err := key.PublicKey()
	if err != nil {
		panic(err) // of a key that was made here
	}
	return text
}
