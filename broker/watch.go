package broker

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// run keeps the views up to date until ctx ends. A watch that breaks is begun again from the whole.
func (r *registry) run(ctx context.Context) error {
	for told := false; ctx.Err() == nil; {
		worked, err := r.watch(ctx)
		if ctx.Err() == nil {
			if worked || !told { // once while storage is away
				r.log.Warn("registry watch broke", "error", err)
				told = true
			}
			pause(ctx, 8)
		}
	}
	return context.Cause(ctx)
}

// watch loads the whole bucket, shows it, and then each change in order. worked tells whether it came
// to that.
func (r *registry) watch(ctx context.Context) (worked bool, err error) {
	connected := r.js.Conn().StatusChanged(nats.CONNECTED)
	defer r.js.Conn().RemoveStatusListener(connected)
	w, err := r.kv.WatchAll(ctx)
	if err != nil {
		return false, err
	}
	defer w.Stop()
	whole := map[string]*View{}
	var revision uint64
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return worked, ctx.Err()
		case <-connected: // again: the client's own watch would notice what it missed after ten seconds or more
			return worked, errors.New("connection was lost")
		case <-r.stalled:
			if whole == nil && time.Since(began) > stallTime { // else it is only slow
				return worked, errors.New("it does not show what is stored")
			}
		case entry, ok := <-w.Updates():
			switch {
			case !ok:
				return worked, errors.New("it ended")
			case entry == nil: // the end of what there was
				r.showWhole(whole, revision)
				whole, worked, began = nil, true, time.Now()
			case whole != nil:
				r.sawNode(entry)
				r.apply(whole, entry)
				revision = max(revision, entry.Revision())
			default:
				r.sawNode(entry)
				r.show(entry)
			}
		}
	}
}

// showWhole replaces all views, and tells of each that is new, gone or may have changed.
func (r *registry) showWhole(whole map[string]*View, revision uint64) {
	r.mu.Lock()
	before := r.views
	r.views = whole
	r.mu.Unlock()
	for tenant, v := range whole {
		if v.live() || before[tenant].live() {
			r.changed(tenant, v)
		}
	}
	for tenant := range before {
		if whole[tenant] == nil {
			r.changed(tenant, nil)
		}
	}
	r.advance(revision)
	select {
	case <-r.loaded:
	default:
		close(r.loaded)
	}
}

// show makes the next view of the entry's tenant.
func (r *registry) show(entry jetstream.KeyValueEntry) {
	kind, tenant, _ := splitKey(entry.Key())
	if part(kind) {
		r.mu.RLock()
		old := r.views[tenant]
		r.mu.RUnlock()
		next := map[string]*View{tenant: old.clone()}
		r.apply(next, entry)
		v := next[tenant]
		r.mu.Lock()
		if v.empty() {
			delete(r.views, tenant)
		} else {
			r.views[tenant] = v
		}
		r.mu.Unlock()
		if v.live() || old.live() {
			r.changed(tenant, v)
		}
	}
	r.advance(entry.Revision())
}

// advance lets those go on who wait for revision.
func (r *registry) advance(revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown = max(r.shown, revision)
	close(r.moved)
	r.moved = make(chan struct{})
}

// partKeys are patterns for the keys of all that a tenant has, except its own record.
func partKeys(tenant string) []string {
	kinds := []string{"tokens", "plugins", "routes", "sources", "secrets"}
	for i, kind := range kinds {
		kinds[i] = kind + "." + tenant + ".*"
	}
	return kinds
}

// part tells whether records of kind belong to a tenant's view.
func part(kind string) bool {
	switch kind {
	case "tenants", "tokens", "plugins", "routes", "sources", "secrets":
		return true
	}
	return false
}

// apply puts entry into views, whose values nobody else may hold.
func (r *registry) apply(views map[string]*View, entry jetstream.KeyValueEntry) {
	kind, tenant, name := splitKey(entry.Key())
	if !part(kind) {
		return
	}
	v := views[tenant]
	if v == nil {
		v = new(View).clone()
		views[tenant] = v
	}
	if entry.Operation() != jetstream.KeyValuePut {
		v.remove(kind, name)
		return
	}
	if err := v.put(kind, name, entry.Value()); err != nil {
		r.log.Error("registry record is not readable", "key", entry.Key(), "error", err)
	}
}

// clone copies v so that it can be changed; v may be nil.
func (v *View) clone() *View {
	if v == nil {
		v = new(View)
	}
	c := *v
	c.Tokens = cloneMap(v.Tokens)
	c.Plugins = cloneMap(v.Plugins)
	c.Routes = cloneMap(v.Routes)
	c.Sources = cloneMap(v.Sources)
	c.Secrets = cloneMap(v.Secrets)
	return &c
}

func cloneMap[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

// live tells whether the tenant exists and is not being deleted.
func (v *View) live() bool { return v != nil && v.Tenant.UID != "" && !v.deleting }

// empty tells whether no record of the tenant is left.
func (v *View) empty() bool {
	return v.Tenant.UID == "" && len(v.Tokens)+len(v.Plugins)+len(v.Routes)+len(v.Sources)+len(v.Secrets) == 0
}

func (v *View) put(kind, name string, value []byte) error {
	switch kind {
	case "tenants":
		var rec tenantRecord
		if err := json.Unmarshal(value, &rec); err != nil {
			return err
		}
		v.Tenant, v.deleting, v.restoring = rec.tenant(), rec.Deleting, rec.Restoring
		return nil
	case "tokens":
		return putJSON(v.Tokens, name, value)
	case "routes":
		return putJSON(v.Routes, name, value)
	case "sources":
		return v.putSource(name, value)
	case "secrets":
		return v.putSecret(name, value)
	}
	var rec pluginRecord
	if err := json.Unmarshal(value, &rec); err != nil {
		return err
	}
	if len(rec.Versions) == 0 {
		delete(v.Plugins, name) // only the counter is left
		return nil
	}
	v.Plugins[name] = Plugin{Name: name, Versions: rec.Versions}
	return nil
}

func putJSON[V any](m map[string]V, name string, value []byte) error {
	var one V
	if err := json.Unmarshal(value, &one); err != nil {
		return err
	}
	m[name] = one
	return nil
}

func (v *View) remove(kind, name string) {
	switch kind {
	case "tenants":
		v.Tenant, v.deleting, v.restoring = Tenant{}, false, false
	case "tokens":
		delete(v.Tokens, name)
	case "plugins":
		delete(v.Plugins, name)
	case "routes":
		delete(v.Routes, name)
	case "sources":
		delete(v.Sources, name)
	case "secrets":
		delete(v.Secrets, name)
	}
}

// read makes the view of one tenant from the bucket, for a node whose watch has not shown it yet.
func (r *registry) read(ctx context.Context, tenant string) (*View, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := r.kv.Get(ctx, "tenants."+tenant); err != nil {
		return nil, err
	}
	w, err := r.kv.WatchFiltered(ctx, append(partKeys(tenant), "tenants."+tenant))
	if err != nil {
		return nil, err
	}
	defer w.Stop()
	views := map[string]*View{}
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case entry, ok := <-w.Updates():
			switch {
			case !ok:
				return nil, ErrUnavailable
			case entry == nil:
				if v := views[tenant]; v.live() {
					return v, nil
				}
				return nil, ErrNotFound
			}
			r.apply(views, entry)
		}
	}
}
