package broker

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/abi"
)

// Tenant is an isolation boundary: one NATS account with its keys, plugins, routes, sources and
// history.
type Tenant struct {
	Name    string    `json:"name"`
	UID     string    `json:"-"` // random; a tenant deleted and made again is another one
	Created time.Time `json:"created"`
	Spec
}

// Spec is what an operator sets of a tenant.
type Spec struct {
	Hosts []string `json:"hosts,omitempty" maxItems:"32" doc:"Host names whose requests are this tenant's, without the /t/{tenant} prefix"`
	// Outbound is where sources and the streams that plugins open may go; empty is nowhere.
	Outbound []string `json:"outbound,omitempty" maxItems:"256" doc:"Hosts that sources and plugins may reach: api.example.com, *.example.com (not example.com itself), an IP address, or * for all; none means nowhere"`
	Quotas   Quotas   `json:"quotas,omitzero"`
}

// Quotas bound what a tenant may use; zero is the server's default.
type Quotas struct {
	HistoryBytes int64  `json:"historyBytes,omitempty" minimum:"0" maximum:"1099511627776" doc:"Bytes of history kept; default 1 GiB"`
	HistoryAge   string `json:"historyAge,omitempty" doc:"How long events are kept, such as 24h (the default)"`
	Sources      int    `json:"sources,omitempty" minimum:"0" maximum:"10000" doc:"Sources that the tenant may have; default 100"`
}

// View is a tenant with all that the registry knows of it, at one moment. It never changes; the
// next change makes another.
type View struct {
	Tenant  Tenant
	Tokens  map[string]Token  // by id
	Plugins map[string]Plugin // by name
	Routes  map[string]Route  // by name
	Sources map[string]Source // by name
	Secrets map[string]Secret // by name; values are never in a View

	deleting  bool
	restoring bool // deleting, unless a restore comes to its end: on another node it may have
}

// tenantRecord is a tenant in the registry. A record that is Deleting stays until all that belongs
// to the tenant is gone, so that a deletion cut short is finished later.
type tenantRecord struct {
	Tenant
	UID      string `json:"uid"`
	Deleting bool   `json:"deleting,omitempty"`

	Restoring bool `json:"restoring,omitempty"` // beside Deleting: a restore is at work on it
}

func (rec tenantRecord) tenant() Tenant {
	rec.Tenant.UID = rec.UID
	return rec.Tenant
}

// check returns an *InvalidError for what the history could not hold to.
func (s Spec) check() error {
	if s.Quotas.HistoryBytes != 0 && s.Quotas.HistoryBytes < minHistoryBytes {
		return invalid("quotas.historyBytes", "is less than %d", minHistoryBytes)
	}
	age, err := s.Quotas.age()
	if err != nil {
		return invalid("quotas.historyAge", "%q is not a duration such as 24h", s.Quotas.HistoryAge)
	}
	if age < time.Second {
		return invalid("quotas.historyAge", "is less than a second")
	}
	return checkOutbound(s.Outbound)
}

// age is how long events are kept.
func (q Quotas) age() (time.Duration, error) {
	return time.ParseDuration(cmp.Or(q.HistoryAge, defaultHistoryAge))
}

// View returns the tenant as this node knows it, without waiting if it knows it; else it asks the
// registry's leader. ErrNotFound if there is none.
func (b *Broker) View(ctx context.Context, tenant string) (*View, error) {
	if err := b.serving(ctx); err != nil {
		return nil, err
	}
	if v, ok := b.registry.view(tenant); ok {
		return v, nil
	}
	if !abi.ValidName(tenant) || b.registry.deleting(tenant) && !b.registry.restoring(tenant) {
		return nil, fmt.Errorf("tenant %q: %w", tenant, ErrNotFound)
	}
	v, err := b.registry.read(ctx, tenant)
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, ErrNotFound):
		return nil, fmt.Errorf("tenant %s: %w", tenant, ErrNotFound)
	}
	return nil, fmt.Errorf("tenant %s: %w: %w", tenant, ErrUnavailable, err)
}

// Fresh is View with all that was written, on whatever node, before it was called. It is for a caller
// that does not find in a View what it looks for.
func (b *Broker) Fresh(ctx context.Context, tenant string) (*View, error) {
	if err := b.serving(ctx); err != nil {
		return nil, err
	}
	if b.config.shared() {
		ctx, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		if err := b.registry.sync(ctx); err != nil {
			return nil, fmt.Errorf("tenant %s: %w", tenant, err)
		}
	}
	return b.View(ctx, tenant)
}

// Views returns all tenants by name, as this node knows them; none before Ready.
func (b *Broker) Views() []*View {
	select {
	case <-b.ready:
	default:
		return nil
	}
	b.registry.mu.RLock()
	defer b.registry.mu.RUnlock()
	views := make([]*View, 0, len(b.registry.views))
	for _, v := range b.registry.views {
		if v.live() {
			views = append(views, v)
		}
	}
	slices.SortFunc(views, func(a, b *View) int { return cmp.Compare(a.Tenant.Name, b.Tenant.Name) })
	return views
}

// PutTenant makes a tenant or gives it another spec. Equal content writes nothing. A changed bound
// of the history holds when it returns.
func (b *Broker) PutTenant(ctx context.Context, name string, spec Spec) (v *View, created bool, err error) {
	if err := b.serving(ctx); err != nil {
		return nil, false, err
	}
	if !abi.ValidName(name) {
		return nil, false, invalid("tenant", "%q is not of [a-z0-9-], or too long", name)
	}
	if err := spec.check(); err != nil {
		return nil, false, err
	}
	if err := b.finishDeletion(ctx, name); err != nil {
		return nil, false, fmt.Errorf("put tenant %s: %w", name, err)
	}
	var quotas bool
	err = change(ctx, b.registry, "tenants."+name, func(rec tenantRecord, exists bool) (tenantRecord, bool, error) {
		if exists && rec.Deleting {
			return rec, false, ErrConflict
		}
		created, quotas = !exists, exists && rec.Quotas != spec.Quotas
		if exists && reflect.DeepEqual(normal(rec.Spec), normal(spec)) {
			return rec, false, nil
		}
		if !exists {
			rec.Name, rec.UID, rec.Created = name, randomID(), time.Now().UTC()
		}
		rec.Spec = normal(spec)
		return rec, true, nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("put tenant %s: %w", name, err)
	}
	if v, err = b.View(ctx, name); err != nil {
		return nil, false, err
	}
	if quotas {
		err = b.applyQuotas(ctx, v.Tenant)
	}
	return v, created, err
}

// normal is s as it comes back from the registry: empty lists are none.
func normal(s Spec) Spec {
	if len(s.Hosts) == 0 {
		s.Hosts = nil
	}
	if len(s.Outbound) == 0 {
		s.Outbound = nil
	}
	return s
}

// changePart writes the record at key, which belongs to a tenant. A write that met the tenant's
// deletion on its way is taken back.
func (b *Broker) changePart(ctx context.Context, tenant, key string, write func() error) error {
	before, err := b.View(ctx, tenant)
	if err != nil {
		return err
	}
	if err := write(); err != nil {
		return err
	}
	if now, ok := b.registry.view(tenant); ok && now.Tenant.UID == before.Tenant.UID {
		return nil
	}
	if err := ignoreMissing(b.registry.remove(ctx, key)); err != nil {
		return err
	}
	return fmt.Errorf("tenant %s: %w", tenant, ErrNotFound)
}

// makePart is changePart for records of which a tenant may have so many; write tells whether it made
// one more. ErrQuota if that was one too many, it is taken back then.
func (b *Broker) makePart(ctx context.Context, tenant, key string, quota func(v *View) (have, most int), write func() (made bool, err error)) error {
	var made bool
	if err := b.changePart(ctx, tenant, key, func() (err error) {
		made, err = write()
		return err
	}); err != nil || !made {
		return err
	}
	v, err := b.View(ctx, tenant)
	if err != nil {
		return err
	}
	have, most := quota(v)
	if have <= most {
		return nil
	}
	if err := ignoreMissing(b.registry.remove(ctx, key)); err != nil {
		return err
	}
	return fmt.Errorf("%d at most: %w", most, ErrQuota)
}

func ignoreMissing(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// randomID is 128 bits that nobody can guess.
func randomID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}
