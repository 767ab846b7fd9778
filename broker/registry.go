package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	registryBucket = "registry"
	maxRecordBytes = 1 << 20
	markerAge      = 24 * time.Hour   // how long a deleted record's marker stays
	attemptTimeout = time.Second      // of the first try of what is tried again: where there is no leader, nobody answers
	writeTimeout   = 15 * time.Second // of a write whose caller sets no earlier end; longer than an election
)

// registry is the records of all tenants, watched into memory. The bucket has one record per
// tenant, token, plugin, route, source and secret; writers use compare-and-swap on the record's revision, and wait
// until the watch has shown what they wrote.
type registry struct {
	js      jetstream.JetStream
	kv      jetstream.KeyValue
	log     *slog.Logger
	kind    string // of this node's own record
	changed func(tenant string, v *View)
	loaded  chan struct{} // closed once the first views are there
	stalled chan struct{} // cap 1: what is stored does not come

	mu    sync.RWMutex
	views map[string]*View      // also of tenants that are being deleted; see View.live
	nodes map[string]nodeRecord // dead ones too
	shown uint64                // revision that views and changed have caught up with
	moved chan struct{}         // closed when shown changes
}

func openRegistry(ctx context.Context, nc *nats.Conn, c Config, changed func(string, *View)) (*registry, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	r := &registry{
		js: js, log: c.Logger, kind: nodeKind, changed: changed, loaded: make(chan struct{}), stalled: make(chan struct{}, 1),
		views: map[string]*View{}, nodes: map[string]nodeRecord{}, moved: make(chan struct{}),
	}
	if c.edge() {
		r.kind = edgeKind
	}
	err = retry(ctx, func(ctx context.Context) (err error) {
		r.kv, err = openBucket(ctx, js, bucket{
			name: registryBucket, replicas: c.replicas(), maxValue: maxRecordBytes, markerAge: markerAge,
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	return r, nil
}

// view returns what is in memory of a tenant.
func (r *registry) view(tenant string) (*View, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v := r.views[tenant]
	return v, v.live()
}

// deleting tells whether the tenant is there but about to go.
func (r *registry) deleting(tenant string) bool {
	v, live := r.view(tenant)
	return !live && v != nil && v.deleting
}

// stallTime is how long a write waits for the watch before that is begun anew. The server keeps a
// watch's place on one node; when that is gone, the client notices by itself after fifteen seconds.
const stallTime = 2 * time.Second

// wait returns once the watch has shown revision.
func (r *registry) wait(ctx context.Context, revision uint64) error {
	stall := time.NewTimer(stallTime)
	defer stall.Stop()
	for {
		r.mu.RLock()
		shown, moved := r.shown, r.moved
		r.mu.RUnlock()
		if shown >= revision {
			return nil
		}
		select {
		case <-moved:
		case <-stall.C:
			select {
			case r.stalled <- struct{}{}:
			default:
			}
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
}

// An edit makes a record's next content from its current one; it may be called more than once. With
// write false the record stays as it is.
type edit[T any] func(current T, exists bool) (next T, write bool, err error)

// change applies e to the record at key, and waits until the watch has shown it.
func change[T any](ctx context.Context, r *registry, key string, e edit[T]) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	revision, err := swap(ctx, r.kv, key, e)
	if err != nil {
		return err
	}
	return r.wait(ctx, revision)
}

// swap applies e to the record at key of a bucket, again if another writer was faster, and returns
// the record's revision. No write is lost: each is made from the content that it replaces.
func swap[T any](ctx context.Context, kv jetstream.KeyValue, key string, e edit[T]) (uint64, error) {
	for try := range 1000 {
		attempt, cancel := forTry(ctx, try)
		revision, err := swapOnce(attempt, kv, key, e)
		cancel()
		switch {
		case err == nil:
			return revision, nil
		case hasCode(err, codeWrongLastSequence, codeWrongLastSeqConstant), errors.Is(err, jetstream.ErrKeyExists), transient(err):
			if !pause(ctx, try) {
				return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
		default:
			return 0, err
		}
	}
	return 0, ErrConflict
}

func swapOnce[T any](ctx context.Context, kv jetstream.KeyValue, key string, e edit[T]) (uint64, error) {
	var current T
	var revision uint64
	entry, err := kv.Get(ctx, key)
	switch {
	case err == nil:
		revision = entry.Revision()
		if err := json.Unmarshal(entry.Value(), &current); err != nil {
			return 0, fmt.Errorf("read record %s: %w", key, err)
		}
	case !errors.Is(err, jetstream.ErrKeyNotFound):
		return 0, fmt.Errorf("read record %s: %w", key, err)
	}
	next, write, err := e(current, revision > 0)
	if err != nil || !write {
		return revision, err
	}
	value, err := json.Marshal(next)
	if err != nil {
		return 0, fmt.Errorf("write record %s: %w", key, err)
	}
	if len(value) > maxRecordBytes {
		return 0, fmt.Errorf("write record %s: %w", key, ErrTooBig)
	}
	if revision == 0 {
		revision, err = kv.Create(ctx, key, value)
	} else {
		revision, err = kv.Update(ctx, key, value, revision)
	}
	if err != nil {
		return 0, fmt.Errorf("write record %s: %w", key, err)
	}
	return revision, nil
}

// remove deletes the record at key; ErrNotFound if there is none.
func (r *registry) remove(ctx context.Context, key string) error {
	return r.removeAt(ctx, key, 0)
}

// removeAt is remove of a record that has a revision, unless that is 0; ErrConflict if it has another.
func (r *registry) removeAt(ctx context.Context, key string, at uint64) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	attempt, stop := context.WithTimeout(ctx, attemptTimeout)
	defer stop()
	if _, err := r.kv.Get(attempt, key); errors.Is(err, jetstream.ErrKeyNotFound) {
		return ErrNotFound
	} else if err != nil && !transient(err) {
		return fmt.Errorf("read record %s: %w", key, err)
	}
	// The client's own Purge does not tell the marker's revision, which has to be waited for.
	m := nats.NewMsg("$KV." + registryBucket + "." + key)
	m.Header.Set("KV-Operation", "PURGE")
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	m.Header.Set(jetstream.MsgTTLHeader, strconv.Itoa(int(markerAge.Seconds()))+"s")
	if at > 0 {
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(at, 10))
	}
	var revision uint64
	err := retry(ctx, func(ctx context.Context) error {
		ack, err := r.js.PublishMsg(ctx, m)
		if err == nil {
			revision = ack.Sequence
		}
		return err
	})
	if hasCode(err, codeWrongLastSequence, codeWrongLastSeqConstant) {
		return ErrConflict
	}
	if err != nil {
		return fmt.Errorf("delete record %s: %w", key, err)
	}
	return r.wait(ctx, revision)
}

// sync waits until the watch has shown all that is stored now.
func (r *registry) sync(ctx context.Context) error {
	var last uint64
	err := retry(ctx, func(ctx context.Context) error {
		s, err := r.js.Stream(ctx, "KV_"+registryBucket)
		if err != nil {
			return err
		}
		info := s.CachedInfo()
		if !byLeader(info.Cluster, info.Config.Replicas) {
			return errSettling
		}
		last = info.State.LastSeq
		return nil
	})
	if err != nil {
		return err
	}
	return r.wait(ctx, last)
}

// splitKey reads a record's key; kind is tenants or that of a tenant's part, and name is empty for a
// tenant.
func splitKey(key string) (kind, tenant, name string) {
	kind, rest, _ := strings.Cut(key, ".")
	tenant, name, _ = strings.Cut(rest, ".")
	return kind, tenant, name
}

// retry calls f until it succeeds, fails for good, or ctx ends; then it returns f's error.
func retry(ctx context.Context, f func(ctx context.Context) error) error {
	for try := 0; ; try++ {
		attempt, cancel := forTry(ctx, try)
		err := f(attempt)
		cancel()
		if err == nil || !transient(err) {
			return err
		}
		if !pause(ctx, try) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// forTry bounds one try, the later ones less.
func forTry(ctx context.Context, try int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, attemptTimeout*time.Duration(min(try+1, 5)))
}

// pause waits before the next try, longer each time up to about 200 ms, and differently for each
// caller; false if ctx ended.
func pause(ctx context.Context, try int) bool {
	limit := min(time.Millisecond<<min(try, 8), 200*time.Millisecond)
	timer := time.NewTimer(limit/2 + rand.N(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
