package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/abi"
)

// Token is one tenant's key to the HTTP API, stored as a hash. Making, showing and comparing the
// secret is web's work.
type Token struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Scopes   []string  `json:"scopes"`             // admin, deploy, publish, subscribe
	Subjects []string  `json:"subjects,omitempty"` // patterns that publish and subscribe are for; none is all
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`
	Hash     []byte    `json:"hash"` // SHA-256 of the secret
}

// PutToken stores t, which replaces the tenant's token of the same id.
func (b *Broker) PutToken(ctx context.Context, tenant string, t Token) error {
	if !abi.ValidName(t.ID) {
		return invalid("id", "%q is not of [a-z0-9-], or too long", t.ID)
	}
	err := b.changePart(ctx, tenant, "tokens."+tenant+"."+t.ID, func() error {
		return change(ctx, b.registry, "tokens."+tenant+"."+t.ID, func(Token, bool) (Token, bool, error) {
			return t, true, nil
		})
	})
	if err != nil {
		return fmt.Errorf("put token %s: %w", t.ID, err)
	}
	return nil
}

// DeleteToken revokes a token; ErrNotFound if there is none of this id.
func (b *Broker) DeleteToken(ctx context.Context, tenant, id string) error {
	if !abi.ValidName(id) {
		return fmt.Errorf("token %q: %w", id, ErrNotFound)
	}
	if _, err := b.View(ctx, tenant); err != nil {
		return err
	}
	if err := b.registry.remove(ctx, "tokens."+tenant+"."+id); err != nil {
		return fmt.Errorf("delete token %s: %w", id, err)
	}
	return nil
}
