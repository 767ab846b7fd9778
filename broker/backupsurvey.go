package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/broker/backup"
)

// survey fixes what the backup is of. The order matters. Copies of cursors come before the history's
// end is fixed: a copy that is ahead of it would make a source skip what lies between. The records of
// sources come after it: a history with events of a later run than a source's would end that source.
func (j *backupJob) survey(ctx context.Context) error {
	if err := j.readCursors(ctx); err != nil {
		return err
	}
	if err := j.measure(ctx); err != nil {
		return err
	}
	if err := j.broker.registry.sync(ctx); err != nil {
		return err
	}
	v, err := j.broker.View(ctx, j.section.Name)
	if err != nil {
		return err
	}
	if v.Tenant.UID != j.link.tenant.UID {
		return ErrNotFound
	}
	j.section.Created = v.Tenant.Created
	if j.section.Spec, err = json.Marshal(v.Tenant.Spec); err != nil {
		return err
	}
	if j.options.Key != nil {
		j.section.KeyCheck = j.options.Key.Check(j.section.ID)
	}
	return j.readRecords(ctx, v)
}

// measure fixes where the history ends.
func (j *backupJob) measure(ctx context.Context) error {
	err := retry(ctx, func(ctx context.Context) error {
		s, err := j.link.js.Stream(ctx, "KV_"+kvBucket)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err == nil {
			j.hasKV = true
			j.section.Bytes = int64(s.CachedInfo().State.Bytes)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = retry(ctx, func(ctx context.Context) error {
		_, err := j.link.js.Stream(ctx, historyStream)
		return err
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := j.link.history(ctx)
	if err != nil {
		return err
	}
	return retry(ctx, func(ctx context.Context) error {
		x, err := h.extent(ctx)
		if err != nil {
			return err
		}
		x.Last, err = h.wholeBatch(ctx, x.Last)
		j.section.History = &backup.History{Epoch: h.epoch, Past: h.past, First: x.First, Last: x.Last, Events: x.Events}
		j.section.Bytes += int64(x.Bytes)
		return err
	})
}

// readRecords reads what the registry has of the tenant from its leader.
func (j *backupJob) readRecords(ctx context.Context, v *View) error {
	keys, err := j.broker.registry.partKeysOf(ctx, v)
	if err != nil {
		return err
	}
	for _, key := range keys {
		var entry jetstream.KeyValueEntry
		err := retry(ctx, func(ctx context.Context) (err error) {
			entry, err = j.broker.registry.kv.Get(ctx, key)
			return err
		})
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			continue // deleted a moment ago
		}
		if err != nil {
			return fmt.Errorf("read record %s: %w", key, err)
		}
		if err := j.takeRecord(v, key, entry.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (j *backupJob) takeRecord(v *View, key string, value []byte) error {
	kind, _, name := splitKey(key)
	switch kind {
	case "secrets":
		j.section.Secrets++
		if j.options.Key == nil {
			return nil
		}
		sealed, err := j.resealed(v, name, value)
		if err != nil {
			return fmt.Errorf("secret %s: %w", name, err)
		}
		return j.add(kind, name, sealed)
	case "plugins":
		if err := j.sawPlugin(value); err != nil {
			return fmt.Errorf("plugin %s: %w", name, err)
		}
	}
	return j.add(kind, name, value)
}

// partKeysOf lists the keys of all that a tenant has: those in its view, and those that no view shows,
// as the counter of a plugin without versions.
func (r *registry) partKeysOf(ctx context.Context, v *View) ([]string, error) {
	seen := map[string]bool{}
	add := func(kind, name string) { seen[kind+"."+v.Tenant.Name+"."+name] = true }
	for name := range v.Tokens {
		add("tokens", name)
	}
	for name := range v.Plugins {
		add("plugins", name)
	}
	for name := range v.Routes {
		add("routes", name)
	}
	for name := range v.Sources {
		add("sources", name)
	}
	for name := range v.Secrets {
		add("secrets", name)
	}
	listed, err := r.kv.ListKeysFiltered(ctx, partKeys(v.Tenant.Name)...)
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	defer listed.Stop()
	for key := range listed.Keys() {
		seen[key] = true
	}
	keys := make([]string, 0, len(seen))
	for key := range seen {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys, ctx.Err()
}

func (j *backupJob) add(kind, name string, record []byte) error {
	if j.size += len(record); j.size > maxBackupRecords {
		return fmt.Errorf("records of %s: %w", j.section.Name, ErrTooBig)
	}
	j.records = append(j.records, backup.Record{Kind: kind, Name: name, Record: record})
	return nil
}

// resealed is a secret's record as the backup has it.
func (j *backupJob) resealed(v *View, name string, record []byte) ([]byte, error) {
	value, err := j.broker.openSecret(record, secretPlace(v, name))
	if err != nil {
		return nil, err
	}
	var rec secretRecord
	if err := json.Unmarshal(record, &rec); err != nil {
		return nil, err
	}
	if rec.Sealed, err = j.options.Key.Seal(j.section.ID, name, value); err != nil {
		return nil, err
	}
	return json.Marshal(rec)
}

// sawPlugin notes the bytes that a plugin's versions need.
func (j *backupJob) sawPlugin(record []byte) error {
	var rec pluginRecord
	if err := json.Unmarshal(record, &rec); err != nil {
		return err
	}
	for _, v := range rec.Versions {
		if !slices.Contains(j.digests, v.Digest) {
			j.digests = append(j.digests, v.Digest)
		}
	}
	return nil
}

// readCursors reads the copies of the cursors of the tenant's sources.
func (j *backupJob) readCursors(ctx context.Context) error {
	uid := j.link.tenant.UID
	keys, err := j.broker.cursors.kv.ListKeysFiltered(ctx, uid+".*")
	if err != nil {
		return fmt.Errorf("list cursors: %w", err)
	}
	defer keys.Stop()
	for key := range keys.Keys() {
		rec, err := j.broker.cursors.read(ctx, key)
		if err != nil {
			return err
		}
		value, err := json.Marshal(rec)
		if err != nil {
			return err
		}
		if err := j.add(cursorKind, strings.TrimPrefix(key, uid+"."), value); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// cursorKind is the kind of a cursor's copy among the records of a backup. In the server it is in a
// bucket of its own.
const cursorKind = "cursors"
