package broker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// LoseLive makes the hubs of b miss the live messages that lose picks. It must be called before the
// first subscription.
func (b *Broker) LoseLive(lose func(seq uint64) bool) { b.loseLive = lose }

// withStream calls use with the tenant's stream, as a native client may have it.
func (b *Broker) withStream(ctx context.Context, tb testing.TB, tenant string, use func(*link, jetstream.Stream) error) {
	tb.Helper()
	l, err := b.acquire(ctx, tenant)
	if err != nil {
		tb.Fatal(err)
	}
	defer l.release()
	s, err := l.js.Stream(ctx, historyStream)
	if err == nil {
		err = use(l, s)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// RemoveEvent deletes one event from the tenant's history.
func (b *Broker) RemoveEvent(ctx context.Context, tb testing.TB, tenant string, seq uint64) {
	b.withStream(ctx, tb, tenant, func(_ *link, s jetstream.Stream) error { return s.DeleteMsg(ctx, seq) })
}

// Purge empties the tenant's history.
func (b *Broker) Purge(ctx context.Context, tb testing.TB, tenant string) {
	b.withStream(ctx, tb, tenant, func(_ *link, s jetstream.Stream) error { return s.Purge(ctx) })
}

// OpenBatches begins as many batches as the server takes for one stream, and returns a function that
// waits until it has refused another one and then ends the first.
func (b *Broker) OpenBatches(ctx context.Context, tb testing.TB, tenant, subject string) (endOne func()) {
	const most = 50 // streamDefaultMaxAtomicBatchInflightPerStream of nats-server
	send := func(l *link, batch, n int, commit string) *nats.Msg {
		m := nats.NewMsg(eventPrefix + subject)
		m.Header.Set("Nats-Batch-Id", fmt.Sprint("open-", batch))
		m.Header.Set("Nats-Batch-Sequence", fmt.Sprint(n))
		if commit != "" {
			m.Header.Set("Nats-Batch-Commit", commit)
		}
		reply, err := l.nc.RequestMsgWithContext(ctx, m)
		if err != nil {
			tb.Fatal(err)
		}
		return reply
	}
	var commits *nats.Subscription
	b.withStream(ctx, tb, tenant, func(l *link, _ jetstream.Stream) (err error) {
		for i := range most {
			if reply := send(l, i, 1, ""); len(reply.Data) > 0 {
				tb.Fatalf("batch %d was not begun: %s", i, reply.Data)
			}
		}
		commits, err = l.nc.SubscribeSync(eventPrefix + subject)
		return err
	})
	return func() {
		b.withStream(ctx, tb, tenant, func(l *link, _ jetstream.Stream) error {
			for {
				m, err := commits.NextMsgWithContext(ctx)
				if err != nil {
					return err
				}
				if m.Header.Get("Nats-Batch-Commit") != "" {
					break
				}
			}
			_, err := parseAck(send(l, 0, 2, "1"))
			return err
		})
	}
}

// TenantFolder is where the embedded server stores what is the tenant's, below dir.
func (b *Broker) TenantFolder(ctx context.Context, tb testing.TB, dir, tenant string) string {
	l, err := b.acquire(ctx, tenant)
	if err != nil {
		tb.Fatal(err)
	}
	defer l.release()
	a, err := b.operator.tenantAccount(l.tenant, b.config.maxPayload())
	if err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(dir, "jetstream", a.id)
}

// RemoveHistory deletes the tenant's stream.
func (b *Broker) RemoveHistory(ctx context.Context, tb testing.TB, tenant string) {
	b.withStream(ctx, tb, tenant, func(l *link, _ jetstream.Stream) error { return l.js.DeleteStream(ctx, historyStream) })
}

// PublishBare stores an event with nothing of ours around it, for comparison.
func (b *Broker) PublishBare(tb testing.TB, tenant string) (publish func() error) {
	l, err := b.acquire(b.ctx, tenant)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(l.release)
	data := make([]byte, 200)
	return func() error {
		_, err := l.js.Publish(b.ctx, eventPrefix+"bare", data)
		return err
	}
}

// Account is the public key of the tenant's account, which is part of its files' paths.
func (b *Broker) Account(tb testing.TB, tenant string) string {
	tb.Helper()
	v, err := b.View(b.ctx, tenant)
	if err != nil {
		tb.Fatal(err)
	}
	a, err := b.operator.tenantAccount(v.Tenant, b.config.maxPayload())
	if err != nil {
		tb.Fatal(err)
	}
	return a.id
}

// MarkDeleting is a deletion of the tenant that is cut short right after it has begun.
func (b *Broker) MarkDeleting(ctx context.Context, tb testing.TB, tenant string) {
	tb.Helper()
	err := change(ctx, b.registry, "tenants."+tenant, func(rec tenantRecord, _ bool) (tenantRecord, bool, error) {
		rec.Deleting = true
		return rec, true, nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// StoreBytes stores a plugin's bytes without a record, as a process does that ends in between.
func (b *Broker) StoreBytes(ctx context.Context, tb testing.TB, wasm []byte) (digest string) {
	tb.Helper()
	digest = digestOf(wasm)
	if err := b.store.put(ctx, digest, wasm); err != nil {
		tb.Fatal(err)
	}
	return digest
}

// CopyRecord copies a record of the registry.
func (b *Broker) CopyRecord(ctx context.Context, tb testing.TB, from, to string) {
	tb.Helper()
	entry, err := b.registry.kv.Get(ctx, from)
	if err == nil {
		_, err = b.registry.kv.Put(ctx, to, entry.Value())
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// SaveCursors writes the copies of all cursors that have none, and returns how many those were.
func (b *Broker) SaveCursors(ctx context.Context) int {
	late := b.cursors.due(time.Now().Add(maxCursorDelay))
	b.saveCursors(ctx, late)
	return len(late)
}

// Cursors returns how many copies of cursors there are.
func (b *Broker) Cursors(ctx context.Context, tb testing.TB) (n int) {
	tb.Helper()
	keys, err := b.cursors.kv.ListKeys(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	for range keys.Keys() {
		n++
	}
	return n
}

// LastOn returns the sequence of the last message on a subject of the tenant's history, 0 if none.
func (b *Broker) LastOn(ctx context.Context, tb testing.TB, tenant, subject string) (seq uint64) {
	b.withStream(ctx, tb, tenant, func(_ *link, s jetstream.Stream) error {
		m, err := s.GetLastMsgForSubject(ctx, eventPrefix+subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		seq = m.Sequence
		return err
	})
	return seq
}

// Header returns the headers of a message in the tenant's history.
func (b *Broker) Header(ctx context.Context, tb testing.TB, tenant string, seq uint64) (h nats.Header) {
	b.withStream(ctx, tb, tenant, func(_ *link, s jetstream.Stream) error {
		m, err := s.GetMsg(ctx, seq)
		if err == nil {
			h = m.Header
		}
		return err
	})
	return h
}

// HistoryLeader returns the number of the node, from 0, that leads the tenant's history; nodes are
// called n1, n2 and so on.
func (b *Broker) HistoryLeader(ctx context.Context, tb testing.TB, tenant string) (number int) {
	b.withStream(ctx, tb, tenant, func(_ *link, s jetstream.Stream) error {
		info, err := s.Info(ctx)
		if err == nil {
			_, err = fmt.Sscanf(info.Cluster.Leader, "n%d", &number)
		}
		return err
	})
	return number - 1
}

// Failed is err as the tenant's callers see it.
func (b *Broker) Failed(ctx context.Context, tb testing.TB, tenant string, err error) error {
	tb.Helper()
	l, errAcquire := b.acquire(ctx, tenant)
	if errAcquire != nil {
		tb.Fatal(errAcquire)
	}
	defer l.release()
	return l.failed("publish", err)
}

// Copies returns how many there are of the tenant's history.
func (b *Broker) Copies(ctx context.Context, tb testing.TB, tenant string) (n int) {
	b.withStream(ctx, tb, tenant, func(_ *link, s jetstream.Stream) error {
		n = s.CachedInfo().Config.Replicas
		return nil
	})
	return n
}

// Routes are the names of the nodes that this one is connected with.
func (b *Broker) Routes(tb testing.TB) map[string]bool {
	tb.Helper()
	state, err := b.servers.(*node).server.Routez(nil)
	if err != nil {
		tb.Fatal(err)
	}
	names := map[string]bool{}
	for _, r := range state.Routes {
		names[r.RemoteName] = true
	}
	return names
}

// Streams is how many streams are on disk, but for the server's own.
func (b *Broker) Streams(tb testing.TB) (n int) {
	tb.Helper()
	app, err := b.operator.appAccount()
	if err != nil {
		tb.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(b.config.Dir, "jetstream", "*", "streams", "*"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, path := range found {
		if !strings.Contains(path, app.id) {
			n++
		}
	}
	return n
}

// KeepStages makes the restore that is under way unable to remove what it has made, as the end of the
// process does.
func (b *Broker) KeepStages(tb testing.TB) { b.system.Close() }

// Replicas returns, of the tenant's streams, how many messages each copy lacks by its leader's word.
// One that is not current lacks one at least.
func (b *Broker) Replicas(ctx context.Context, tb testing.TB, tenant string) map[string]map[string]uint64 {
	all := map[string]map[string]uint64{}
	b.withStream(ctx, tb, tenant, func(l *link, _ jetstream.Stream) error {
		for _, name := range []string{historyStream, "KV_" + kvBucket} {
			s, err := l.js.Stream(ctx, name)
			if err != nil {
				return err
			}
			all[name] = map[string]uint64{}
			for _, p := range s.CachedInfo().Cluster.Replicas {
				all[name][p.Name] = p.Lag
				if !p.Current {
					all[name][p.Name] = max(p.Lag, 1)
				}
			}
		}
		return nil
	})
	return all
}

// PutRecord writes a record of the registry as it is given.
func (b *Broker) PutRecord(ctx context.Context, tb testing.TB, key, value string) {
	tb.Helper()
	revision, err := b.registry.kv.Put(ctx, key, []byte(value))
	if err == nil {
		err = b.registry.wait(ctx, revision)
	}
	if err != nil {
		tb.Fatal(err)
	}
}
