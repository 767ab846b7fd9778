package broker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
)

// defaultSources is how many sources a tenant may have whose quotas do not say.
const defaultSources = 100

// Source is a remote stream of a tenant, and whether it is wanted now.
type Source struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Run     uint64    `json:"run" doc:"Grows each time that a user starts it: with another content, or at their word"`
	Stopped bool      `json:"stopped,omitempty" doc:"By a user, until it is started"`
	source.Config

	// uid is random. A source that was deleted and made again, or that reads something else, is
	// another one, and does not continue where the old one ended.
	uid string
}

// sourceRecord is a source in the registry.
type sourceRecord struct {
	Source
	UID string `json:"uid"`
}

// start makes rec's next run, with config.
func (rec *sourceRecord) start(config source.Config) {
	if !sameRemote(rec.Config, config) {
		rec.UID = randomID()
	}
	rec.Config, rec.Stopped = config, false
	rec.Run++
}

// sameRemote tells whether what one has read up to an id, the other can continue after it.
func sameRemote(a, b source.Config) bool {
	return a.URL == b.URL && a.Method == b.Method && bytes.Equal(a.Body, b.Body) && a.LastEventID == b.LastEventID
}

func (v *View) putSource(name string, value []byte) error {
	var rec sourceRecord
	if err := json.Unmarshal(value, &rec); err != nil {
		return err
	}
	rec.Source.uid = rec.UID
	v.Sources[name] = rec.Source
	return nil
}

// PutSource makes a source or gives it another content, and starts it; created tells that there was
// none. Equal content writes nothing and starts nothing. A source whose URL, method, body or
// LastEventID changes begins anew, any other continues where it is. Errors: a *source.FieldError for
// each mistake in c, joined; *InvalidError, ErrQuota, ErrNotFound (tenant), ErrTooBig.
func (b *Broker) PutSource(ctx context.Context, tenant, name string, c source.Config) (s Source, created bool, err error) {
	if !abi.ValidName(name) {
		return s, false, invalid("source", "%q is not of [a-z0-9-], or too long", name)
	}
	c, err = c.WithDefaults()
	if err != nil {
		return s, false, err
	}
	if c.Body, err = compact(c.Body); err != nil {
		return s, false, err
	}
	s, err = b.changeSource(ctx, tenant, name, func(rec *sourceRecord, exists bool) (bool, error) {
		if created = !exists; created {
			rec.Name, rec.Created = name, time.Now().UTC()
		} else if sameConfig(rec.Config, c) {
			return false, nil
		}
		if err := b.checkPlugin(ctx, tenant, c.Plugin); err != nil {
			return false, err
		}
		rec.start(c)
		return true, nil
	})
	if err != nil {
		return s, false, fmt.Errorf("put source %s: %w", name, err)
	}
	return s, created, nil
}

// compact is body as it comes back from the registry.
func compact(body json.RawMessage) (json.RawMessage, error) {
	if len(body) == 0 {
		return nil, nil
	}
	return json.Marshal(body)
}

// sameConfig compares what would be stored.
func sameConfig(a, b source.Config) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

// StartSource starts a source at a user's word, also one that is done, failed or running: it
// connects anew and continues where it is. ErrNotFound if there is none.
func (b *Broker) StartSource(ctx context.Context, tenant, name string) (Source, error) {
	s, err := b.changeSource(ctx, tenant, name, func(rec *sourceRecord, exists bool) (bool, error) {
		if !exists {
			return false, ErrNotFound
		}
		rec.start(rec.Config)
		return true, nil
	})
	if err != nil {
		return s, fmt.Errorf("start source %s: %w", name, err)
	}
	return s, nil
}

// StopSource notes that a source is not wanted until it is started. ErrNotFound if there is none.
func (b *Broker) StopSource(ctx context.Context, tenant, name string) (Source, error) {
	s, err := b.changeSource(ctx, tenant, name, func(rec *sourceRecord, exists bool) (bool, error) {
		if !exists {
			return false, ErrNotFound
		}
		write := !rec.Stopped
		rec.Stopped = true
		return write, nil
	})
	if err != nil {
		return s, fmt.Errorf("stop source %s: %w", name, err)
	}
	return s, nil
}

// changeSource writes what edit makes of a source's record.
func (b *Broker) changeSource(ctx context.Context, tenant, name string, edit func(rec *sourceRecord, exists bool) (write bool, err error)) (Source, error) {
	var s Source
	if !abi.ValidName(name) {
		return s, ErrNotFound
	}
	key := "sources." + tenant + "." + name
	quota := func(v *View) (have, most int) {
		return len(v.Sources), cmp.Or(v.Tenant.Quotas.Sources, defaultSources)
	}
	err := b.makePart(ctx, tenant, key, quota, func() (made bool, err error) {
		err = change(ctx, b.registry, key, func(rec sourceRecord, exists bool) (sourceRecord, bool, error) {
			made = !exists
			write, err := edit(&rec, exists)
			s = rec.Source
			s.uid = rec.UID
			return rec, write, err
		})
		return made, err
	})
	return s, err
}

// DeleteSource removes a source; what it has stored stays in history. ErrNotFound if there is none.
func (b *Broker) DeleteSource(ctx context.Context, tenant, name string) error {
	view, err := b.View(ctx, tenant)
	if err != nil {
		return err
	}
	if !abi.ValidName(name) {
		return fmt.Errorf("source %q: %w", name, ErrNotFound)
	}
	if err := b.registry.remove(ctx, "sources."+tenant+"."+name); err != nil {
		return fmt.Errorf("delete source %s: %w", name, err)
	}
	if err := b.cursors.remove(ctx, view.Tenant.UID+"."+name); err != nil {
		return fmt.Errorf("delete source %s: %w", name, err)
	}
	return nil
}
