package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// account is one NATS account: the server's own or a tenant's.
type account struct {
	key    nkeys.KeyPair
	signer nkeys.KeyPair // of its users: key, or one of its signing keys
	id     string        // public key
	claims *jwt.AccountClaims
}

// appAccount is the account of registry and plugins.
func (op *operator) appAccount() (*account, error) {
	a, err := op.newAccount("app", "app")
	if err != nil {
		return nil, err
	}
	a.claims.Limits.JetStreamLimits = jwt.JetStreamLimits{
		DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit, MaxAckPending: jwt.NoLimit,
	}
	return a, nil
}

// tenantAccount is the account of one tenant. Its limits bound what a native client can do beside
// the server's own use. Disk is not among them, on purpose: an account that reserves disk has no
// JetStream at all once the reservations exceed the server's, and nothing says so. The streams'
// MaxBytes is the bound.
func (op *operator) tenantAccount(t Tenant, maxPayload int) (*account, error) {
	a, err := op.newAccount(t.UID, t.Name)
	if err != nil {
		return nil, err
	}
	limits := &a.claims.Limits
	limits.Conn, limits.LeafNodeConn = 256, 0
	limits.Subs = 10_000
	limits.Payload = int64(maxPayload)
	limits.JetStreamLimits = jwt.JetStreamLimits{
		DiskStorage: jwt.NoLimit, MaxBytesRequired: true, Streams: 4, Consumer: 100, MaxAckPending: 1000,
	}
	return a, nil
}

func (op *operator) newAccount(id, name string) (*account, error) {
	key, err := op.accountKey(id)
	if err != nil {
		return nil, fmt.Errorf("key of account %s: %w", name, err)
	}
	a, err := accountOf(key, name)
	if err != nil || !op.strict {
		return a, err
	}
	if a.signer, err = op.accountKey(id + " signing"); err != nil {
		return nil, fmt.Errorf("signing key of account %s: %w", name, err)
	}
	a.claims.SigningKeys.Add(publicKey(a.signer))
	return a, nil
}

// systemAccount is the account of the servers themselves.
func (op *operator) systemAccount() (*account, error) { return accountOf(op.system, "system") }

func accountOf(key nkeys.KeyPair, name string) (*account, error) {
	public, err := key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("key of account %s: %w", name, err)
	}
	claims := jwt.NewAccountClaims(public)
	claims.Name = name
	return &account{key: key, signer: key, id: public, claims: claims}, nil
}

// login returns the option that connects as a new user of the account.
func login(a *account) (nats.Option, error) {
	user, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	public, err := user.PublicKey()
	if err != nil {
		return nil, err
	}
	claims := jwt.NewUserClaims(public)
	if a.signer != a.key {
		claims.IssuerAccount = a.id
	}
	token, err := claims.Encode(a.signer)
	if err != nil {
		return nil, err
	}
	seed, err := user.Seed()
	if err != nil {
		return nil, err
	}
	return nats.UserJWTAndSeed(token, string(seed)), nil
}

// pushAccount makes a known to the servers, or changes its limits. It must precede the first login:
// one to an account that is not known hangs for seconds.
func pushAccount(ctx context.Context, system *nats.Conn, op *operator, a *account) error {
	token, err := a.claims.Encode(op.signing)
	if err != nil {
		return fmt.Errorf("sign account %s: %w", a.claims.Name, err)
	}
	if err := claimsRequest(ctx, system, "$SYS.REQ.CLAIMS.UPDATE", token); err != nil {
		return fmt.Errorf("push account %s: %w", a.claims.Name, err)
	}
	return nil
}

// removeAccount deletes the account with everything that is stored in it.
func removeAccount(ctx context.Context, system *nats.Conn, op *operator, a *account) error {
	// A purge reaches only accounts that the server has loaded, so it is made known first.
	if err := pushAccount(ctx, system, op, a); err != nil {
		return err
	}
	if err := claimsRequest(ctx, system, "$JS.API.ACCOUNT.PURGE."+a.id, ""); err != nil {
		return fmt.Errorf("purge account %s: %w", a.claims.Name, err)
	}
	order := jwt.NewGenericClaims(publicKey(op.signing))
	order.Data["accounts"] = []string{a.id}
	token, err := order.Encode(op.signing)
	if err != nil {
		return fmt.Errorf("sign deletion of account %s: %w", a.claims.Name, err)
	}
	if err := claimsRequest(ctx, system, "$SYS.REQ.CLAIMS.DELETE", token); err != nil {
		return fmt.Errorf("delete account %s: %w", a.claims.Name, err)
	}
	return nil
}

// claimsRequest asks the system and returns the error in its answer.
func claimsRequest(ctx context.Context, system *nats.Conn, subject, body string) error {
	m, err := system.RequestWithContext(ctx, subject, []byte(body))
	if err != nil {
		return err
	}
	var answer struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return errors.New(answer.Error.Description)
	}
	return nil
}
