package broker_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
)

func TestKV(t *testing.T) {
	b, _ := start(t, broker.Config{MaxEventBytes: 1000})
	tenant(t, b, "acme", broker.Spec{})
	tenant(t, b, "other", broker.Spec{})
	ctx := within(t)
	for _, key := range []string{"k", "a.b.>", "* \r\n", "\xff\x00", strings.Repeat("k", 512)} {
		if _, err := b.KVGet(ctx, "acme", key); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("%q before: %v", key, err)
		}
		for _, value := range [][]byte{[]byte("one"), {}, []byte("\xff\x00two")} {
			if err := b.KVPut(ctx, "acme", key, value, 0); err != nil {
				t.Fatal(err)
			}
			if got, err := b.KVGet(ctx, "acme", key); err != nil || !bytes.Equal(got, value) {
				t.Errorf("%q is %q, %v; not %q", key, got, err, value)
			}
		}
		if _, err := b.KVGet(ctx, "other", key); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("%q of another tenant: %v", key, err)
		}
		for range 2 {
			if err := b.KVDelete(ctx, "acme", key); err != nil {
				t.Error(err)
			}
		}
		if _, err := b.KVGet(ctx, "acme", key); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("%q after: %v", key, err)
		}
	}
	var bad *broker.InvalidError
	for _, key := range []string{"", strings.Repeat("k", 513)} {
		if _, err := b.KVGet(ctx, "acme", key); !errors.As(err, &bad) {
			t.Errorf("a key of %d bytes: %v", len(key), err)
		}
	}
	if err := b.KVPut(ctx, "acme", "k", make([]byte, 1001), 0); !errors.Is(err, broker.ErrTooBig) {
		t.Errorf("a value that is too big: %v", err)
	}
}

func TestKVEnds(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	ctx := within(t)
	for key, ttl := range map[string]time.Duration{"short": time.Millisecond, "long": time.Hour, "none": 0} {
		if err := b.KVPut(ctx, "acme", key, []byte("v"), ttl); err != nil {
			t.Fatal(err)
		}
	}
	for { // until the context of KVGet ends
		_, err := b.KVGet(ctx, "acme", "short")
		if errors.Is(err, broker.ErrNotFound) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, key := range []string{"long", "none"} {
		if _, err := b.KVGet(ctx, "acme", key); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestKVIsFull(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	value := make([]byte, 1<<20)
	for i := range 100 {
		err := b.KVPut(within(t), "acme", strings.Repeat("k", i+1), value, 0)
		if errors.Is(err, broker.ErrFull) {
			if i < 50 {
				t.Errorf("full after %d MiB", i)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("never full")
}
