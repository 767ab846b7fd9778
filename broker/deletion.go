package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/abi"
)

// DeleteTenant ends the tenant's subscriptions and removes its account, history, key-value store
// and records.
func (b *Broker) DeleteTenant(ctx context.Context, name string) error {
	if err := b.serving(ctx); err != nil {
		return err
	}
	if !abi.ValidName(name) {
		return fmt.Errorf("tenant %q: %w", name, ErrNotFound)
	}
	err := change(ctx, b.registry, "tenants."+name, func(rec tenantRecord, exists bool) (tenantRecord, bool, error) {
		if !exists {
			return rec, false, ErrNotFound
		}
		write := !rec.Deleting
		rec.Deleting = true
		return rec, write, nil
	})
	if err == nil {
		err = b.finishDeletion(ctx, name)
	}
	if err != nil {
		return fmt.Errorf("delete tenant %s: %w", name, err)
	}
	return nil
}

// finishDeletion removes what is left of a tenant whose record says that it is being deleted. It
// can be repeated, and called by several nodes at once.
func (b *Broker) finishDeletion(ctx context.Context, name string) error {
	if !b.registry.deleting(name) {
		return nil
	}
	v, _ := b.registry.view(name)
	if mine, err := b.condemn(ctx, v); err != nil || !mine {
		return err
	}
	b.closeLink(v.Tenant.UID)
	account, err := b.operator.tenantAccount(v.Tenant, b.config.maxPayload())
	if err != nil {
		return err
	}
	if err := retry(ctx, func(ctx context.Context) error {
		return removeAccount(ctx, b.system, b.operator, account)
	}); err != nil {
		return err
	}
	if err := b.removeRecords(ctx, v); err != nil {
		return err
	}
	return b.removeTenant(ctx, v)
}

// condemn takes a tenant that is being deleted from a restore that may be at work on it, which then
// comes to nothing; false if it is no longer being deleted. Without that a restore could make its last
// write while its parts go.
func (b *Broker) condemn(ctx context.Context, v *View) (is bool, err error) {
	err = change(ctx, b.registry, "tenants."+v.Tenant.Name, func(rec tenantRecord, exists bool) (tenantRecord, bool, error) {
		is = exists && rec.UID == v.Tenant.UID && rec.Deleting
		write := is && rec.Restoring
		rec.Restoring = false
		return rec, write, nil
	})
	return is, err
}

// removeTenant deletes the record of a tenant whose parts are gone. Somebody else may have done that
// already, and a new tenant may have the name: its record stays.
func (b *Broker) removeTenant(ctx context.Context, v *View) error {
	key := "tenants." + v.Tenant.Name
	for range 100 {
		var entry jetstream.KeyValueEntry
		err := retry(ctx, func(ctx context.Context) (err error) {
			entry, err = b.registry.kv.Get(ctx, key)
			return err
		})
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read record %s: %w", key, err)
		}
		var rec tenantRecord
		if err := json.Unmarshal(entry.Value(), &rec); err != nil {
			return fmt.Errorf("read record %s: %w", key, err)
		}
		if rec.UID != v.Tenant.UID || !rec.Deleting {
			return nil
		}
		if err := b.registry.removeAt(ctx, key, entry.Revision()); !errors.Is(err, ErrConflict) {
			return ignoreMissing(err)
		}
	}
	return ErrConflict
}

// removeRecords deletes what the registry has of a tenant, its plugins' counters too, but not the
// tenant itself.
func (b *Broker) removeRecords(ctx context.Context, v *View) error {
	name := v.Tenant.Name
	keys, err := b.registry.kv.ListKeysFiltered(ctx, partKeys(name)...)
	if err != nil {
		return fmt.Errorf("list records: %w", err)
	}
	defer keys.Stop()
	for key := range keys.Keys() {
		if now, _ := b.registry.view(name); now == nil || now.Tenant.UID != v.Tenant.UID {
			break // somebody else was faster, and it may be another tenant's by now
		}
		if err := ignoreMissing(b.registry.remove(ctx, key)); err != nil {
			return err
		}
	}
	if err := b.cursors.remove(ctx, v.Tenant.UID+".*"); err != nil {
		return err
	}
	if err := b.store.take(ctx); err != nil {
		return err
	}
	defer b.store.give()
	for _, p := range v.Plugins {
		b.dropUnused(ctx, p.Versions)
	}
	return nil
}

// finishDeletions ends what an earlier process began, and did not come to the end of.
func (b *Broker) finishDeletions() {
	b.registry.mu.RLock()
	var names []string
	for name, v := range b.registry.views {
		if v.deleting {
			names = append(names, name)
		}
	}
	b.registry.mu.RUnlock()
	for _, name := range names {
		if err := b.finishDeletion(b.ctx, name); err != nil && b.ctx.Err() == nil {
			b.config.Logger.Error("tenant is not yet deleted", "tenant", name, "error", err)
		}
	}
	b.dropOldStages(b.ctx)
	if err := b.dropOrphans(b.ctx); err != nil && b.ctx.Err() == nil {
		b.config.Logger.Warn("plugin bytes were not looked through", "error", err)
	}
}
