package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/backup"
)

// RestoreOptions say how a backup is restored.
type RestoreOptions struct {
	Key            *backup.Key // that the secrets were sealed with
	WithoutSecrets bool        // leave them out
	Replace        bool        // the tenant that has the name is deleted first
	StopSources    bool        // sources stay stopped until they are started
	// Check, if not nil, is asked about the tenant as it will be, before anything of it is in use. It
	// may take hosts out of the spec.
	Check func(v *View) error
}

// Restored tells what a restore has made.
type Restored struct {
	Tenant  Tenant
	Events  uint64
	Last    uint64 // the sequence that history ends with
	Values  uint64 // stored by plugins
	Secrets int

	SecretsLeftOut int // that the tenant had when the backup was made
}

// Errors of Restore.
var (
	ErrExists = errors.New("tenant exists")
	ErrKey    = errors.New("the secrets of the backup take another key, or were left out")
)

// Restore makes a tenant, of whatever name, of a backup of one. Until all of the backup was read and is
// whole, nothing is changed that anybody sees; what was made until then is removed when it fails, or,
// if the process ends, after the next start. Ids of events that the backup has stay good, and ids that
// were given after it was made are told from new ones: the history gets another epoch.
//
// Errors: ErrExists without Replace; ErrKey; backup.ErrDamaged, backup.ErrFormat and *InvalidError for
// what is in the backup; those of r, and of Check; ErrUnavailable. After the last the tenant may be
// there, whole.
func (b *Broker) Restore(ctx context.Context, tenant string, r io.Reader, o RestoreOptions) (Restored, error) {
	if err := b.serving(ctx); err != nil {
		return Restored{}, err
	}
	if !abi.ValidName(tenant) {
		return Restored{}, invalid("tenant", "%q is not of [a-z0-9-], or too long", tenant)
	}
	if _, err := b.View(ctx, tenant); err == nil && !o.Replace {
		return Restored{}, fmt.Errorf("restore %s: %w", tenant, ErrExists)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(b.ctx, func() { cancel(ErrClosed) })()
	job := &restoreJob{broker: b, name: tenant, options: o}
	err := job.run(ctx, r)
	job.end(ctx, err == nil)
	if err != nil {
		if transient(err) {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return Restored{}, fmt.Errorf("restore %s: %w", tenant, err)
	}
	return job.done, nil
}

// restoreJob is one restore. What it makes is in a stage, an account that no tenant has yet.
type restoreJob struct {
	broker  *Broker
	name    string
	options RestoreOptions

	section backup.Tenant
	order   int // of the parts, see partOrder
	records records
	stage   *stage
	feed    *streamFeed     // of the stream whose parts come now
	history bool            // a history was made
	wanted  []PluginVersion // whose bytes were stored
	done    Restored
}

// partOrder is how the parts of a section follow each other.
var partOrder = []string{
	backup.TenantName, backup.RecordsFolder, backup.PluginsFolder, backup.KVFolder, backup.HistoryFolder, backup.SumsName,
}

func (j *restoreJob) run(ctx context.Context, r io.Reader) error {
	file, err := backup.NewReader(r)
	if err != nil {
		return err
	}
	for whole := false; ; {
		p, err := file.Next()
		if errors.Is(err, io.EOF) && whole {
			return j.commit(ctx)
		}
		switch {
		case errors.Is(err, io.EOF):
			return invalid("backup", "has no tenant")
		case err != nil:
			return err
		case whole:
			return invalid("backup", "has more than one tenant")
		}
		if err := j.part(ctx, p); err != nil {
			return err
		}
		whole = p.Name == backup.SumsName
	}
}

func (j *restoreJob) part(ctx context.Context, p backup.Part) error {
	kind, _, _ := strings.Cut(p.Name, "/")
	order := slices.Index(partOrder, kind)
	if j.stage == nil && kind != backup.TenantName || j.stage != nil && (order < j.order || kind == backup.TenantName) {
		return fmt.Errorf("%w: %s is not in its place", backup.ErrDamaged, p.Name)
	}
	if order > j.order {
		if err := j.finishFeed(); err != nil {
			return err
		}
	}
	j.order = order
	if j.stage != nil {
		if err := j.stage.touch(ctx); err != nil {
			return err
		}
	}
	switch kind {
	case backup.TenantName:
		return j.begin(ctx, p)
	case backup.RecordsFolder:
		return backup.EachLine(p, j.takeRecord)
	case backup.PluginsFolder:
		return j.takePlugin(ctx, p)
	case backup.KVFolder:
		return j.takeValues(ctx, p)
	case backup.HistoryFolder:
		return j.takeEvents(ctx, p)
	}
	return j.finishHistory(ctx)
}

// begin looks at what the section is of, and makes the stage.
func (j *restoreJob) begin(ctx context.Context, p backup.Part) (err error) {
	if err := p.Document(&j.section); err != nil {
		return err
	}
	o := j.options
	sealed := len(j.section.KeyCheck) > 0
	switch {
	case o.WithoutSecrets || j.section.Secrets == 0 && o.Key == nil:
		j.options.Key = nil
	case o.Key == nil && sealed, o.Key != nil && sealed && !o.Key.Fits(j.section):
		return ErrKey
	case !sealed && j.section.Secrets > 0:
		j.options.Key = nil // there are none to open
	}
	if err := checkHistory(j.section.History); err != nil {
		return err
	}
	if j.records, err = newRecords(j.name, j.section); err != nil {
		return err
	}
	if j.stage, err = j.broker.newStage(ctx, j.name); err != nil {
		return err
	}
	return nil
}

// takeRecord keeps a record until the tenant is made.
func (j *restoreJob) takeRecord(rec backup.Record) error {
	if rec.Kind == "secrets" {
		if j.options.Key == nil {
			return nil
		}
		if err := j.opens(rec); err != nil {
			return err
		}
		j.done.Secrets++
	}
	if j.options.StopSources || j.section.Name != j.name {
		var err error
		if rec, err = stopped(rec); err != nil {
			return err
		}
	}
	return j.records.add(rec)
}

// end removes what was made of a restore that failed.
func (j *restoreJob) end(ctx context.Context, ok bool) {
	if j.feed != nil {
		j.feed.abort()
	}
	if j.stage == nil {
		return
	}
	j.stage.nc.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	j.unwant(ctx)
	if ok {
		return
	}
	err := j.broker.finishDeletion(ctx, j.name) // it may have come as far as the tenant's record
	if err == nil {
		err = j.broker.dropStage(ctx, j.stage.uid)
	}
	if err != nil {
		j.broker.config.Logger.Warn("what a restore has left is still there", "tenant", j.name, "error", err)
	}
}

// unwant lets go of the bytes that were stored.
func (j *restoreJob) unwant(ctx context.Context) {
	if len(j.wanted) == 0 {
		return
	}
	store := j.broker.store
	store.turn <- struct{}{} // those who have it give it back in time
	defer store.give()
	for _, version := range j.wanted {
		if store.wanted[version.Digest]--; store.wanted[version.Digest] == 0 {
			delete(store.wanted, version.Digest)
		}
	}
	j.broker.dropUnused(ctx, j.wanted)
}
