package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/backup"
)

// records are those of a tenant that is being restored.
type records struct {
	tenant Tenant
	view   *View // what they amount to
	all    []backup.Record
	size   int
}

func newRecords(name string, section backup.Tenant) (records, error) {
	r := records{tenant: Tenant{Name: name, Created: section.Created}}
	if err := json.Unmarshal(section.Spec, &r.tenant.Spec); err != nil {
		return r, invalid("spec", "is not readable: %v", err)
	}
	if err := r.tenant.check(); err != nil {
		return r, err
	}
	r.view = new(View).clone()
	return r, nil
}

// add checks a record and keeps it. What every node holds in memory and trusts has to be right.
func (r *records) add(rec backup.Record) error {
	if r.size += len(rec.Record); r.size > maxBackupRecords || len(rec.Record) > maxRecordBytes {
		return fmt.Errorf("records: %w", ErrTooBig)
	}
	if !abi.ValidName(rec.Name) {
		return invalid(rec.Kind, "%q is not of [a-z0-9-], or too long", rec.Name)
	}
	var err error
	switch rec.Kind {
	case "tokens", "routes", "plugins", "sources", "secrets":
		if err = r.view.put(rec.Kind, rec.Name, rec.Record); err == nil {
			err = r.check(rec)
		}
	case cursorKind:
		err = json.Unmarshal(rec.Record, new(cursorRecord))
	default:
		err = fmt.Errorf("of no known kind")
	}
	if err != nil {
		return invalid(rec.Kind, "has %s, which is not right: %v", rec.Name, err)
	}
	rec.Record = slices.Clone(rec.Record)
	r.all = append(r.all, rec)
	return nil
}

// check looks at a record that is in the view by now.
func (r *records) check(rec backup.Record) error {
	switch rec.Kind {
	case "tokens":
		if t := r.view.Tokens[rec.Name]; t.ID != rec.Name || len(t.Hash) != 32 {
			return fmt.Errorf("token without an id or a hash")
		}
	case "routes":
		route := r.view.Routes[rec.Name]
		if route.Name != rec.Name || len(route.Revisions) < 1 || len(route.Revisions) > MaxRevisions {
			return fmt.Errorf("route with %d revisions", len(route.Revisions))
		}
		for i, revision := range route.Revisions {
			if revision.Revision < 1 || i > 0 && revision.Revision >= route.Revisions[i-1].Revision {
				return fmt.Errorf("revisions out of order")
			}
		}
	case "plugins":
		return checkVersions(rec, r.view.Plugins[rec.Name].Versions)
	case "sources":
		s := r.view.Sources[rec.Name]
		if _, err := s.WithDefaults(); err != nil || s.Name != rec.Name || s.uid == "" {
			return fmt.Errorf("source that could not be put: %w", err)
		}
	}
	return nil
}

func checkVersions(rec backup.Record, versions []PluginVersion) error {
	for i, v := range versions {
		hex, found := strings.CutPrefix(v.Digest, "sha256:")
		if !found || len(hex) != 64 || v.Name != rec.Name || v.Version < 1 || i > 0 && v.Version >= versions[i-1].Version {
			return fmt.Errorf("version %d", v.Version)
		}
	}
	return nil
}

// stopped is rec with a source in it stopped.
func stopped(rec backup.Record) (backup.Record, error) {
	if rec.Kind != "sources" {
		return rec, nil
	}
	var s sourceRecord
	if err := json.Unmarshal(rec.Record, &s); err != nil {
		return rec, invalid("sources", "has %s, which is not readable: %v", rec.Name, err)
	}
	s.Stopped = true
	var err error
	rec.Record, err = json.Marshal(s)
	return rec, err
}

// commit makes the tenant of what is in the stage. Its record comes first, as that of a tenant that is
// being deleted, so that whatever this leaves behind is removed; with the last write it is there.
func (j *restoreJob) commit(ctx context.Context) error {
	b := j.broker
	t := &j.records.tenant
	t.UID = j.stage.uid
	j.records.view.Tenant = *t
	if j.options.Check != nil {
		if err := j.options.Check(j.records.view); err != nil {
			return err
		}
		t.Spec = normal(j.records.view.Tenant.Spec)
	}
	if err := j.checkBytes(ctx); err != nil {
		return err
	}
	if err := j.stage.current(ctx, j.streams); err != nil {
		return err
	}
	if err := j.makeRoom(ctx); err != nil {
		return err
	}
	if err := j.claim(ctx, true); err != nil {
		return err
	}
	if err := b.registry.remove(ctx, stageKind+"."+t.UID); errors.Is(err, ErrNotFound) {
		return ErrLost // it has taken so long that another node took it for dead
	} else if err != nil {
		return err
	}
	if err := j.writeRecords(ctx); err != nil {
		return err
	}
	if err := j.checkBytes(ctx); err != nil { // a deletion may have met them before their records were there
		return err
	}
	j.done.Tenant, j.done.SecretsLeftOut = *t, j.section.Secrets-j.done.Secrets
	return j.claim(ctx, false)
}

// makeRoom deletes the tenant that has the name.
func (j *restoreJob) makeRoom(ctx context.Context) error {
	b := j.broker
	if err := b.finishDeletion(ctx, j.name); err != nil {
		return err
	}
	if !j.options.Replace {
		return nil
	}
	return ignoreMissing(b.DeleteTenant(ctx, j.name))
}

// claim writes the tenant's record: first deleting, then not.
func (j *restoreJob) claim(ctx context.Context, deleting bool) error {
	t := j.records.tenant
	return change(ctx, j.broker.registry, "tenants."+j.name, func(rec tenantRecord, exists bool) (tenantRecord, bool, error) {
		ours := exists && rec.UID == t.UID
		switch {
		case ours && rec.Deleting == deleting: // an attempt whose answer was lost
			return rec, false, nil
		case exists && !ours && !rec.Deleting:
			return rec, false, ErrExists
		case exists && !ours, !exists && !deleting, ours && !rec.Restoring:
			return rec, false, ErrConflict // another has the name, or deletes what is to be
		}
		return tenantRecord{Tenant: t, UID: t.UID, Deleting: deleting, Restoring: deleting}, true, nil
	})
}

// writtenRecord is what a restore has written, and may have to take back.
type writtenRecord struct {
	kv       jetstream.KeyValue
	key      string
	revision uint64
}

// writeRecords stores all records, and waits until the watch has shown them.
func (j *restoreJob) writeRecords(ctx context.Context) error {
	b, last := j.broker, uint64(0)
	for _, rec := range j.records.all {
		value, kv, key := []byte(rec.Record), b.registry.kv, rec.Kind+"."+j.name+"."+rec.Name
		switch rec.Kind {
		case cursorKind:
			kv, key = b.cursors.kv, j.records.tenant.UID+"."+rec.Name
		case "secrets":
			var err error
			if value, err = j.sealed(rec); err != nil {
				return err
			}
		}
		if v, live := b.registry.view(j.name); v == nil || live || !v.restoring || v.Tenant.UID != j.records.tenant.UID {
			return ErrConflict // somebody else has deleted the tenant that is to be
		}
		var revision uint64
		err := retry(ctx, func(ctx context.Context) (err error) {
			revision, err = kv.Put(ctx, key, value)
			return err
		})
		if err != nil {
			return fmt.Errorf("write record %s: %w", key, err)
		}
		j.written = append(j.written, writtenRecord{kv, key, revision})
		if rec.Kind != cursorKind {
			last = revision
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return b.registry.wait(ctx, last)
}

// open is a secret's record in the backup, and its value.
func (j *restoreJob) open(rec backup.Record) (secret secretRecord, value []byte, err error) {
	if err := json.Unmarshal(rec.Record, &secret); err != nil {
		return secret, nil, fmt.Errorf("%w: secret %s: %w", backup.ErrDamaged, rec.Name, err)
	}
	value, err = j.options.Key.Open(j.section.ID, rec.Name, secret.Sealed)
	return secret, value, err
}

// opens returns why a secret's record cannot be opened.
func (j *restoreJob) opens(rec backup.Record) error {
	_, _, err := j.open(rec)
	return err
}

// sealed is a secret's record with the value sealed for where it is now.
func (j *restoreJob) sealed(rec backup.Record) ([]byte, error) {
	secret, value, err := j.open(rec)
	if err != nil {
		return nil, err
	}
	seal, err := j.broker.operator.sealer()
	if err != nil {
		return nil, err
	}
	secret.Sealed = seal.Seal(nil, nil, value, secretPlace(j.records.view, rec.Name))
	return json.Marshal(secret)
}

// checkBytes sees that the bytes of all plugins' versions are stored.
func (j *restoreJob) checkBytes(ctx context.Context) error {
	checked := map[string]bool{}
	for _, plugin := range j.records.view.Plugins {
		for _, version := range plugin.Versions {
			if checked[version.Digest] {
				continue
			}
			checked[version.Digest] = true
			err := retry(ctx, func(ctx context.Context) error {
				_, err := j.broker.store.objects.GetInfo(ctx, version.Digest)
				return err
			})
			switch {
			case errors.Is(err, jetstream.ErrObjectNotFound):
				return fmt.Errorf("%w: it lacks the bytes of %s, version %d", backup.ErrDamaged, version.Name, version.Version)
			case err != nil:
				return fmt.Errorf("bytes of %s, version %d: %w", version.Name, version.Version, err)
			}
		}
	}
	return nil
}
