package broker

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/abi"
)

const (
	kvBucket = "KV"
	kvBytes  = 64 << 20 // of all keys and values of a tenant
)

// KVGet returns the value of key in the tenant's key-value store; ErrNotFound if it has none.
func (b *Broker) KVGet(ctx context.Context, tenant, key string) (value []byte, err error) {
	err = b.withKV(ctx, tenant, key, func(ctx context.Context, l *link) error {
		entry, err := l.kv.Get(ctx, encodeKey(key))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return fmt.Errorf("key %q: %w", key, ErrNotFound)
		}
		if err == nil {
			value = entry.Value()
		}
		return err
	})
	return value, err
}

// KVPut sets key to value, for ttl if that is not 0; it is rounded up to seconds. Errors: ErrTooBig
// for a value over Config.MaxEventBytes, ErrFull when the tenant's 64 MiB are used up.
func (b *Broker) KVPut(ctx context.Context, tenant, key string, value []byte, ttl time.Duration) error {
	if len(value) > b.config.MaxEventBytes {
		return fmt.Errorf("value of %d bytes: %w", len(value), ErrTooBig)
	}
	if ttl < 0 {
		return invalid("ttl", "is negative")
	}
	// The client's own Put takes no TTL, and its Update drops one.
	m := &nats.Msg{Subject: "$KV." + kvBucket + "." + encodeKey(key), Data: value, Header: nats.Header{}}
	if ttl > 0 {
		seconds := (ttl + time.Second - 1) / time.Second
		m.Header.Set(jetstream.MsgTTLHeader, strconv.FormatInt(int64(seconds), 10)+"s")
	}
	return b.withKV(ctx, tenant, key, func(ctx context.Context, l *link) error {
		_, err := l.publish(ctx, m)
		if hasCode(err, codeStoreFailed) && strings.Contains(err.Error(), "maximum bytes") {
			return ErrFull
		}
		return err
	})
}

// KVDelete removes key; it is no error if there is none.
func (b *Broker) KVDelete(ctx context.Context, tenant, key string) error {
	return b.withKV(ctx, tenant, key, func(ctx context.Context, l *link) error {
		return l.kv.Purge(ctx, encodeKey(key), jetstream.PurgeTTL(time.Minute))
	})
}

// encodeKey makes any key one token of a subject.
func encodeKey(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

// withKV calls use once the tenant's bucket is there, again while storage does not answer. Putting
// and deleting twice is the same as once.
func (b *Broker) withKV(ctx context.Context, tenant, key string, use func(context.Context, *link) error) error {
	if key == "" || len(key) > abi.MaxKeyBytes {
		return invalid("key", "has %d bytes, not 1 to %d", len(key), abi.MaxKeyBytes)
	}
	l, err := b.acquire(ctx, tenant)
	if err != nil {
		return err
	}
	defer l.release()
	ctx, stop := l.within(ctx)
	defer stop()
	err = retry(ctx, func(ctx context.Context) error {
		if err := l.openKV(ctx); err != nil {
			return err
		}
		return use(ctx, l)
	})
	if err != nil {
		return l.failed("key-value store", err)
	}
	return nil
}

// openKV makes the tenant's bucket, if that was not done before.
func (l *link) openKV(ctx context.Context) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.err(); err != nil || l.kv != nil {
		return err
	}
	l.kv, err = openBucket(ctx, l.js, kvStore(l.broker.config))
	return err
}

// kvStore is a tenant's key-value store.
func kvStore(c Config) bucket {
	return bucket{name: kvBucket, replicas: c.replicas(), maxBytes: kvBytes, markerAge: time.Minute}
}
