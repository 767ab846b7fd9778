package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

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
