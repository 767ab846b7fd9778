package broker

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
)

// Bounds of a tenant's secrets.
const (
	MaxSecretBytes = 64 << 10
	MaxSecrets     = 100
	maxSecretHosts = 32
)

// Secret is what is told of a secret.
type Secret struct {
	Put   time.Time `json:"put"`
	Hosts []string  `json:"hosts,omitempty"` // patterns as in Spec.Outbound: it goes to no others; none is all
}

// For tells whether the secret is for requests to host, in lower case and without port.
func (s Secret) For(host string) bool { return len(s.Hosts) == 0 || matchesHost(s.Hosts, host) }

// secretRecord is a secret in the registry.
type secretRecord struct {
	Secret
	Sealed []byte `json:"sealed"` // by the operator's key, for this tenant and name
}

func (v *View) putSecret(name string, value []byte) error {
	var rec secretRecord
	if err := json.Unmarshal(value, &rec); err != nil {
		return err
	}
	v.Secrets[name] = rec.Secret
	return nil
}

// PutSecret stores value, encrypted, in place of what name had. With hosts, patterns as in
// Spec.Outbound, it is for requests to them alone. Errors: *InvalidError, ErrTooBig for more than
// MaxSecretBytes, ErrQuota for more than MaxSecrets, ErrNotFound (tenant).
func (b *Broker) PutSecret(ctx context.Context, tenant, name string, value []byte, hosts ...string) error {
	if !abi.ValidName(name) {
		return invalid("secret", "%q is not of [a-z0-9-], or too long", name)
	}
	if err := checkHosts("hosts", hosts, maxSecretHosts); err != nil {
		return err
	}
	if len(value) > MaxSecretBytes {
		return fmt.Errorf("put secret %s: %d bytes: %w", name, len(value), ErrTooBig)
	}
	view, err := b.View(ctx, tenant)
	if err != nil {
		return err
	}
	seal, err := b.operator.sealer()
	if err != nil {
		return fmt.Errorf("put secret %s: %w", name, err)
	}
	rec := secretRecord{Secret: Secret{time.Now().UTC(), hosts}, Sealed: seal.Seal(nil, nil, value, secretPlace(view, name))}
	key := "secrets." + tenant + "." + name
	quota := func(v *View) (have, most int) { return len(v.Secrets), MaxSecrets }
	err = b.makePart(ctx, tenant, key, quota, func() (made bool, err error) {
		err = change(ctx, b.registry, key, func(_ secretRecord, exists bool) (secretRecord, bool, error) {
			made = !exists
			return rec, true, nil
		})
		return made, err
	})
	if err != nil {
		return fmt.Errorf("put secret %s: %w", name, err)
	}
	return nil
}

// DeleteSecret removes a secret; ErrNotFound if there is none.
func (b *Broker) DeleteSecret(ctx context.Context, tenant, name string) error {
	if !abi.ValidName(name) {
		return fmt.Errorf("secret %q: %w", name, ErrNotFound)
	}
	if _, err := b.View(ctx, tenant); err != nil {
		return err
	}
	if err := b.registry.remove(ctx, "secrets."+tenant+"."+name); err != nil {
		return fmt.Errorf("delete secret %s: %w", name, err)
	}
	return nil
}

// Secret returns the value of a secret for a request to host, in lower case and without port. Without
// one the error wraps both ErrNotFound and source.ErrNoSecret; it wraps abi.Denied if the secret is
// for other hosts.
func (b *Broker) Secret(ctx context.Context, tenant, name, host string) (string, error) {
	view, err := b.View(ctx, tenant)
	if err != nil {
		return "", err
	}
	missing := fmt.Errorf("secret %q: %w: %w", name, ErrNotFound, source.ErrNoSecret)
	if !abi.ValidName(name) {
		return "", missing
	}
	var entry jetstream.KeyValueEntry
	err = retry(ctx, func(ctx context.Context) (err error) {
		entry, err = b.registry.kv.Get(ctx, "secrets."+tenant+"."+name)
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return "", missing
	case err != nil:
		return "", fmt.Errorf("secret %s: %w", name, err)
	}
	var rec secretRecord
	if err := json.Unmarshal(entry.Value(), &rec); err != nil {
		return "", fmt.Errorf("secret %s: %w", name, err)
	}
	if !rec.For(host) {
		return "", fmt.Errorf("secret %s is for other hosts than %s: %w", name, host, abi.Denied)
	}
	value, err := b.openSecret(entry.Value(), secretPlace(view, name))
	if err != nil {
		return "", fmt.Errorf("secret %s: %w", name, err)
	}
	return string(value), nil
}

func (b *Broker) openSecret(record, place []byte) ([]byte, error) {
	var rec secretRecord
	if err := json.Unmarshal(record, &rec); err != nil {
		return nil, err
	}
	seal, err := b.operator.sealer()
	if err != nil {
		return nil, err
	}
	return seal.Open(nil, nil, rec.Sealed, place)
}

// secretPlace is what a sealed value is bound to, so that it opens nowhere else.
func secretPlace(v *View, name string) []byte { return []byte(v.Tenant.UID + "." + name) }

// sealer returns the cipher for secrets, whose key is derived from the operator's.
func (op *operator) sealer() (cipher.AEAD, error) {
	key, err := op.derive("millrace secrets")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
