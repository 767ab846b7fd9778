package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/broker/backup"
)

// BackupOptions say what a backup has beside what it always has.
type BackupOptions struct {
	Key     *backup.Key // that secrets are sealed with; without one they are left out
	Version string      // of the program, for the file's head
}

// maxBackupRecords bounds the records of one tenant, in bytes: they are held in memory while it is
// backed up or restored.
const maxBackupRecords = 256 << 20

// Backup writes a backup of one tenant to w while it is in use. History is whole up to one position, and
// ends with it. Records are those of a moment after that; cursors of sources are those in history, and
// where it has let go of one its copy. Each stored value is one that its key had during the backup.
// Errors: ErrNotFound, ErrUnavailable, and those of w; what was written is of no use then.
func (b *Broker) Backup(ctx context.Context, tenant string, o BackupOptions, w io.Writer) error {
	l, err := b.acquire(ctx, tenant)
	if err != nil {
		return err
	}
	defer l.release()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.ctx, func() { cancel(l.err()) })()
	job := &backupJob{broker: b, link: l, options: o}
	job.section.ID, job.section.Name = randomID(), tenant
	if err := job.run(ctx, w); err != nil {
		return l.failed("back up "+tenant, err)
	}
	return nil
}

// backupJob is one backup of one tenant.
type backupJob struct {
	broker  *Broker
	link    *link
	options BackupOptions
	section backup.Tenant
	records []backup.Record
	size    int
	digests []string // of the plugins' versions
	hasKV   bool
}

func (j *backupJob) run(ctx context.Context, w io.Writer) error {
	if err := j.survey(ctx); err != nil {
		return err
	}
	file, err := backup.NewWriter(w, backup.Head{Version: j.options.Version})
	if err != nil {
		return err
	}
	tenant := j.section.Name
	if err := file.JSON(tenant, backup.TenantName, j.section); err != nil {
		return err
	}
	records := file.NewLines(tenant, backup.RecordsFolder)
	for _, rec := range j.records {
		if err := records.Add(rec); err != nil {
			return err
		}
	}
	if err := records.Close(); err != nil {
		return err
	}
	if err := j.writePlugins(ctx, file); err != nil {
		return err
	}
	if err := j.writeStreams(ctx, file); err != nil {
		return err
	}
	if err := file.EndTenant(); err != nil {
		return err
	}
	return file.Close()
}

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
		kind, _, name := splitKey(key)
		value := entry.Value()
		switch kind {
		case "secrets":
			if value, err = j.resealed(v, name, value); err != nil || value == nil {
				break
			}
		case "plugins":
			err = j.sawPlugin(value)
		}
		if err == nil && value != nil {
			err = j.add(kind, name, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
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

// resealed is a secret's record as the backup has it, nil if it has none.
func (j *backupJob) resealed(v *View, name string, record []byte) ([]byte, error) {
	j.section.Secrets++
	if j.options.Key == nil {
		return nil, nil
	}
	value, err := j.broker.openSecret(record, secretPlace(v, name))
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	rec := secretRecord{Put: v.Secrets[name]}
	if rec.Sealed, err = j.options.Key.Seal(j.section.ID, name, value); err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
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

func (j *backupJob) writePlugins(ctx context.Context, file *backup.Writer) error {
	for _, digest := range j.digests {
		wasm, err := j.broker.store.get(ctx, digest)
		if err != nil {
			return fmt.Errorf("plugin bytes %s: %w", digest, err)
		}
		hex := strings.TrimPrefix(digest, "sha256:")
		if err := file.Part(j.section.Name, backup.PluginsFolder+"/"+hex+".wasm", wasm); err != nil {
			return err
		}
	}
	return nil
}

// writeStreams writes the stored values, and then the history.
func (j *backupJob) writeStreams(ctx context.Context, file *backup.Writer) error {
	if j.hasKV {
		lines := file.NewLines(j.section.Name, backup.KVFolder)
		r := streamReader{link: j.link, stream: "KV_" + kvBucket, subject: kvSubjects, bytes: maxKVRead}
		err := r.read(ctx, 1, func(m backup.Message) error {
			if m.Header["KV-Operation"] != nil {
				return nil // the marker of a deleted key
			}
			return lines.AddMessage(m)
		})
		if err := errors.Join(err, lines.Close()); err != nil {
			return err
		}
	}
	if h := j.section.History; h != nil && h.Last >= h.First {
		lines := file.NewLines(j.section.Name, backup.HistoryFolder)
		r := streamReader{link: j.link, stream: historyStream, subject: eventPrefix + ">", last: h.Last}
		err := r.read(ctx, h.First, lines.AddMessage)
		return errors.Join(err, lines.Close())
	}
	return nil
}
