package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/broker/source"
)

// cursorRecord is how far a source has come. One is stored in history with each batch of outputs,
// all or nothing, and is what counts. A copy in the bucket of cursors outlasts it there.
type cursorRecord struct {
	UID         string `json:"uid"` // of the source
	Run         uint64 `json:"run"` // of the source, that wrote it
	Revision    uint64 `json:"revision"`
	LastEventID string `json:"lastEventId,omitempty"`
	Ended       bool   `json:"ended,omitempty"`
	Complete    bool   `json:"complete,omitempty"`

	Digest string `json:"digest,omitempty"` // in history: of what it was stored with

	Sent   bool   `json:"sent,omitempty"`   // in the bucket: the run's request may have been sent
	SentBy string `json:"sentBy,omitempty"` // and by whom

	End *source.Status `json:"end,omitempty"` // in the bucket: how the run has come to its end, for good
}

// keep takes over what the bucket alone has of rec's run.
func (rec cursorRecord) keep(saved cursorRecord) cursorRecord {
	if saved.continues(rec) {
		rec.Sent, rec.SentBy, rec.End = saved.Sent, saved.SentBy, saved.End
	} else {
		rec.Sent, rec.SentBy, rec.End = false, "", nil
	}
	return rec
}

// continues tells whether rec is of the same run of the same source as other.
func (rec cursorRecord) continues(other cursorRecord) bool {
	return rec.UID == other.UID && rec.Run == other.Run
}

// cursors keeps the copies, for all tenants in one bucket, by tenant's UID and source. A copy is
// written a while after what it is of, so that a busy source costs no second write for each batch.
type cursors struct {
	kv jetstream.KeyValue

	mu   sync.Mutex
	late map[*sourceStore]time.Time // those that have no copy of their last cursor, and when it is due
}

const cursorBucket = "cursors"

func openCursors(ctx context.Context, nc *nats.Conn, config Config) (*cursors, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open cursors: %w", err)
	}
	c := &cursors{late: map[*sourceStore]time.Time{}}
	err = retry(ctx, func(ctx context.Context) (err error) {
		c.kv, err = openBucket(ctx, js, bucket{name: cursorBucket, replicas: config.replicas(), maxValue: 128 << 10})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open cursors: %w", err)
	}
	return c, nil
}

// read returns the copy at key, the zero record if there is none.
func (c *cursors) read(ctx context.Context, key string) (rec cursorRecord, err error) {
	var entry jetstream.KeyValueEntry
	err = retry(ctx, func(ctx context.Context) (err error) {
		entry, err = c.kv.Get(ctx, key)
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return rec, nil
	case err != nil:
		return rec, fmt.Errorf("read cursor %s: %w", key, err)
	}
	if err := json.Unmarshal(entry.Value(), &rec); err != nil {
		return rec, fmt.Errorf("read cursor %s: %w", key, err)
	}
	return rec, nil
}

// change applies e to the copy at key, again if another writer was faster.
func (c *cursors) change(ctx context.Context, key string, e edit[cursorRecord]) error {
	_, err := swap(ctx, c.kv, key, e)
	return err
}

// remove deletes the copies whose keys match pattern.
func (c *cursors) remove(ctx context.Context, pattern string) error {
	keys, err := c.kv.ListKeysFiltered(ctx, pattern)
	if err != nil {
		return fmt.Errorf("list cursors: %w", err)
	}
	defer keys.Stop()
	for key := range keys.Keys() {
		if err := retry(ctx, func(ctx context.Context) error { return c.kv.Purge(ctx, key) }); err != nil {
			return fmt.Errorf("delete cursor %s: %w", key, err)
		}
	}
	return nil
}

// owe notes that s needs a copy of its cursor within the time.
func (c *cursors) owe(s *sourceStore, within time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.late[s]; !ok {
		c.late[s] = time.Now().Add(within)
	}
}

// due takes those stores off whose copy is due at a time.
func (c *cursors) due(at time.Time) (due []*sourceStore) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s, when := range c.late {
		if !when.After(at) {
			due = append(due, s)
			delete(c.late, s)
		}
	}
	return due
}

// keepCursors writes copies when they are due, and what is left at the end.
func (b *Broker) keepCursors() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-b.ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), 2*time.Second)
			defer cancel()
			b.saveCursors(ctx, b.cursors.due(time.Now().Add(maxCursorDelay)))
			return
		case at := <-tick.C:
			b.saveCursors(b.ctx, b.cursors.due(at))
		}
	}
}

func (b *Broker) saveCursors(ctx context.Context, stores []*sourceStore) {
	for _, s := range stores {
		err := s.save(ctx)
		if err == nil {
			continue
		}
		b.cursors.owe(s, time.Second)
		if b.ctx.Err() == nil && !errors.Is(err, errBusy) {
			b.config.Logger.Warn("source's cursor is not copied yet", "tenant", s.tenant, "source", s.name, "error", err)
		}
	}
}
