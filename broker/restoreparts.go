package broker

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/backup"
)

// takePlugin stores the bytes of a version, and keeps them from being deleted until its record is there.
func (j *restoreJob) takePlugin(ctx context.Context, p backup.Part) error {
	hex := strings.TrimSuffix(strings.TrimPrefix(p.Name, backup.PluginsFolder+"/"), ".wasm")
	digest := digestOf(p.Data)
	if digest != "sha256:"+hex {
		return fmt.Errorf("%w: %s has another sum", backup.ErrDamaged, p.Name)
	}
	if len(p.Data) > abi.MaxModuleBytes {
		return fmt.Errorf("%s: %w", p.Name, ErrTooBig)
	}
	if err := j.broker.store.take(ctx); err != nil {
		return err
	}
	defer j.broker.store.give()
	j.broker.store.wanted[digest]++
	j.wanted = append(j.wanted, PluginVersion{Digest: digest})
	return retry(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout) // a module takes its time
		defer cancel()
		return j.broker.store.put(ctx, digest, p.Data)
	})
}

// takeValues stores what plugins have stored. A value whose time is over is not stored.
func (j *restoreJob) takeValues(ctx context.Context, p backup.Part) (err error) {
	if j.feed == nil {
		config := kvStore(j.broker.config).stream()
		if j.feed, err = feedStream(ctx, j.stage.nc, config, 1, 0); err != nil {
			return err
		}
	}
	return backup.EachMessage(p, func(m backup.Message) error {
		if !strings.HasPrefix(m.Subject, strings.TrimSuffix(kvSubjects, ">")) {
			return fmt.Errorf("%w: %q is no key", backup.ErrDamaged, m.Subject)
		}
		j.done.Values++
		return j.feed.message(m)
	})
}

func (j *restoreJob) takeEvents(ctx context.Context, p backup.Part) error {
	if err := j.beginHistory(ctx); err != nil {
		return err
	}
	return backup.EachMessage(p, func(m backup.Message) error {
		if !strings.HasPrefix(m.Subject, eventPrefix) || strings.ContainsFunc(m.Subject, unicode.IsSpace) {
			return fmt.Errorf("%w: %q is no event's subject", backup.ErrDamaged, m.Subject)
		}
		j.done.Events++
		j.done.Last = max(j.done.Last, m.Seq)
		return j.feed.message(m)
	})
}

// beginHistory begins to make the history, if that was not done.
func (j *restoreJob) beginHistory(ctx context.Context) (err error) {
	h := j.section.History
	switch {
	case j.history:
		return nil
	case h == nil:
		return fmt.Errorf("%w: it has events and no history", backup.ErrDamaged)
	}
	metadata, err := pastOf(h)
	if err != nil {
		return err
	}
	j.history, j.done.Last = true, h.Last
	config := j.broker.historyConfig(j.records.tenant.Quotas, metadata)
	j.feed, err = feedStream(ctx, j.stage.nc, config, h.First, h.Last)
	return err
}

// finishHistory makes the history if it had no events, and ends it.
func (j *restoreJob) finishHistory(ctx context.Context) error {
	if j.section.History != nil {
		if err := j.beginHistory(ctx); err != nil {
			return err
		}
	}
	return j.finishFeed()
}

func (j *restoreJob) finishFeed() error {
	f := j.feed
	if j.feed = nil; f == nil {
		return nil
	}
	return f.finish()
}
