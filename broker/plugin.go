package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
)

// Plugin is a name with its versions, newest first.
type Plugin struct {
	Name     string          `json:"name"`
	Versions []PluginVersion `json:"versions"`
}

// PluginVersion is one uploaded module. The bytes are in the plugin store, by digest.
type PluginVersion struct {
	Name     string    `json:"name"`
	Version  int       `json:"version"` // from 1; a version that was deleted is not given again
	Digest   string    `json:"digest"`  // sha256: and hex
	Size     int       `json:"size"`    // bytes
	Exports  []string  `json:"exports"` // callbacks
	Imports  []string  `json:"imports"` // host functions
	Language string    `json:"language"`
	Created  time.Time `json:"created"`
}

// MaxVersions is how many versions of a plugin are kept beside those that a source or a revision
// of a route names; the oldest go first.
const MaxVersions = 50

// pluginRecord is a plugin in the registry. Last outlives the versions, so that none is given twice.
type pluginRecord struct {
	Versions []PluginVersion `json:"versions"`
	Last     int             `json:"last"`
}

// Version returns what a route's reference to a plugin stands for: the newest for name, one of them
// for name@3 and name@sha256:….
func (v *View) Version(reference string) (PluginVersion, bool) {
	name, which, exact := strings.Cut(reference, "@")
	for _, version := range v.Plugins[name].Versions {
		if !exact || which == version.Digest || which == strconv.Itoa(version.Version) {
			return version, true
		}
	}
	return PluginVersion{}, false
}

// checkPlugin returns an *InvalidError if reference is to a plugin that is not there. It may have been
// uploaded on another node a moment ago.
func (b *Broker) checkPlugin(ctx context.Context, tenant, reference string) error {
	if reference == "" {
		return nil
	}
	for try := 0; ; try++ {
		view, ok := b.registry.view(tenant)
		if !ok {
			return nil // changePart finds out why
		}
		if _, ok := view.Version(reference); ok {
			return nil
		}
		if try > 0 || !b.config.shared() {
			return invalid("plugin", "%s is not there", reference)
		}
		if err := b.registry.sync(ctx); err != nil {
			return err
		}
	}
}

// PutPlugin stores wasm and then a new version of the plugin v.Name for it. Digest, Exports,
// Imports and Language are v's; the rest is filled in. When the newest version has the same digest,
// that one is the answer and nothing is written.
func (b *Broker) PutPlugin(ctx context.Context, tenant string, v PluginVersion, wasm []byte) (_ PluginVersion, created bool, err error) {
	if !abi.ValidName(v.Name) {
		return v, false, invalid("plugin", "%q is not of [a-z0-9-], or too long", v.Name)
	}
	if digest := digestOf(wasm); v.Digest != digest {
		return v, false, invalid("digest", "%s is not that of the bytes, %s", v.Digest, digest)
	}
	if _, err := b.View(ctx, tenant); err != nil {
		return v, false, err
	}
	if err := b.store.take(ctx); err != nil {
		return v, false, err
	}
	defer b.store.give()
	if err := b.store.put(ctx, v.Digest, wasm); err != nil {
		return v, false, fmt.Errorf("put plugin %s: %w", v.Name, err)
	}
	v.Size, v.Created = len(wasm), time.Now().UTC()
	key := "plugins." + tenant + "." + v.Name
	var dropped []PluginVersion
	err = b.changePart(ctx, tenant, key, func() error {
		return change(ctx, b.registry, key, func(rec pluginRecord, _ bool) (pluginRecord, bool, error) {
			if created = len(rec.Versions) == 0 || rec.Versions[0].Digest != v.Digest; !created {
				v = rec.Versions[0]
				return rec, false, nil
			}
			rec.Last++
			v.Version = rec.Last
			rec.Versions = slices.Insert(rec.Versions, 0, v)
			rec.Versions, dropped = b.trimVersions(tenant, rec.Versions)
			return rec, true, nil
		})
	})
	if err != nil {
		return v, false, fmt.Errorf("put plugin %s: %w", v.Name, err)
	}
	if err := b.store.put(ctx, v.Digest, wasm); err != nil { // another node may have dropped them meanwhile
		return v, false, fmt.Errorf("put plugin %s: %w", v.Name, err)
	}
	b.dropUnused(ctx, dropped)
	return v, created, nil
}

// trimVersions splits versions, newest first, into those that stay and those that go.
func (b *Broker) trimVersions(tenant string, versions []PluginVersion) (stay, gone []PluginVersion) {
	view, _ := b.registry.view(tenant)
	for i, version := range versions {
		if i < MaxVersions || view.names(version) {
			stay = append(stay, version)
		} else {
			gone = append(gone, version)
		}
	}
	return stay, gone
}

// names tells whether a source or a kept revision of a route names exactly this version.
func (v *View) names(version PluginVersion) bool {
	if v == nil {
		return false
	}
	byNumber := version.Name + "@" + strconv.Itoa(version.Version)
	byDigest := version.Name + "@" + version.Digest
	for _, source := range v.Sources {
		if source.Plugin == byNumber || source.Plugin == byDigest {
			return true
		}
	}
	for _, route := range v.Routes {
		if slices.ContainsFunc(route.Revisions, func(r RouteRevision) bool {
			return r.Plugin == byNumber || r.Plugin == byDigest
		}) {
			return true
		}
	}
	return false
}

// DeletePlugin removes all versions of a plugin. ErrInUse if a source or the current revision of a
// route names it.
func (b *Broker) DeletePlugin(ctx context.Context, tenant, name string) error {
	view, err := b.View(ctx, tenant)
	if err != nil {
		return err
	}
	for _, route := range view.Routes {
		if used, _, _ := strings.Cut(route.Revisions[0].Plugin, "@"); used == name {
			return fmt.Errorf("delete plugin %s, which route %s names: %w", name, route.Name, ErrInUse)
		}
	}
	for _, source := range view.Sources {
		if used, _, _ := strings.Cut(source.Plugin, "@"); used == name {
			return fmt.Errorf("delete plugin %s, which source %s names: %w", name, source.Name, ErrInUse)
		}
	}
	if !abi.ValidName(name) {
		return fmt.Errorf("plugin %q: %w", name, ErrNotFound)
	}
	if err := b.store.take(ctx); err != nil {
		return err
	}
	defer b.store.give()
	var gone []PluginVersion
	err = change(ctx, b.registry, "plugins."+tenant+"."+name, func(rec pluginRecord, _ bool) (pluginRecord, bool, error) {
		if gone = rec.Versions; len(gone) == 0 {
			return rec, false, ErrNotFound
		}
		return pluginRecord{Last: rec.Last}, true, nil
	})
	if err != nil {
		return fmt.Errorf("delete plugin %s: %w", name, err)
	}
	b.dropUnused(ctx, gone)
	return nil
}

// PluginBytes returns the module with digest; ErrNotFound if no tenant has it.
func (b *Broker) PluginBytes(ctx context.Context, digest string) ([]byte, error) {
	if err := b.serving(ctx); err != nil {
		return nil, err
	}
	wasm, err := b.store.get(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("plugin bytes %s: %w", digest, err)
	}
	return wasm, nil
}

// dropUnused deletes the bytes of versions that no tenant's record has any more, and no restore is about
// to write one of. The caller holds the store. Bytes that stay because of an error are deleted after the next start.
func (b *Broker) dropUnused(ctx context.Context, versions []PluginVersion) {
	for _, version := range versions {
		if b.registry.hasDigest(version.Digest) || b.store.wanted[version.Digest] > 0 {
			continue
		}
		if err := b.dropBytes(ctx, version.Digest); err != nil && b.ctx.Err() == nil {
			b.config.Logger.Warn("unused plugin bytes are still there", "digest", version.Digest, "error", err)
		}
	}
}

// dropBytes deletes bytes that no record has, and puts them back if another node wrote one meanwhile.
func (b *Broker) dropBytes(ctx context.Context, digest string) error {
	if !b.config.shared() {
		return b.store.remove(ctx, digest)
	}
	wasm, err := b.store.get(ctx, digest)
	if err != nil {
		return ignoreMissing(err)
	}
	if err := b.store.remove(ctx, digest); err != nil {
		return err
	}
	if err := b.registry.check(ctx, b.config.Node); err != nil { // all that is written is shown then
		return errors.Join(err, b.store.put(ctx, digest, wasm))
	}
	if b.registry.hasDigest(digest) {
		return b.store.put(ctx, digest, wasm)
	}
	return nil
}

// dropOrphans deletes bytes that a process left behind which ended between storing or deleting a
// record and its bytes.
func (b *Broker) dropOrphans(ctx context.Context) error {
	if err := b.store.take(ctx); err != nil {
		return err
	}
	defer b.store.give()
	digests, err := b.store.digests(ctx)
	if err != nil {
		return err
	}
	for _, digest := range digests {
		b.dropUnused(ctx, []PluginVersion{{Digest: digest}})
	}
	return nil
}

// hasDigest tells whether a record of any tenant has digest.
func (r *registry) hasDigest(digest string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, view := range r.views {
		for _, plugin := range view.Plugins {
			if slices.ContainsFunc(plugin.Versions, func(v PluginVersion) bool { return v.Digest == digest }) {
				return true
			}
		}
	}
	return false
}
