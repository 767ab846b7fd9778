package broker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/backup"
)

// furnish gives acme one of everything, and events 1 to n.
func furnish(t *testing.T, b *broker.Broker, n int) {
	t.Helper()
	ctx := within(t)
	tenant(t, b, "acme", broker.Spec{Hosts: []string{"acme.example"}, Quotas: broker.Quotas{HistoryAge: "48h"}})
	p := upload(t, b, "acme", "p", "first")
	upload(t, b, "acme", "p", "second")
	for _, path := range []string{"/a", "/b"} {
		spec := broker.RouteSpec{Path: path, Plugin: "p@" + p.Digest}
		if _, _, err := b.PutRoute(ctx, "acme", "r", spec); err != nil {
			t.Fatal(err)
		}
	}
	token := broker.Token{ID: "t1", Name: "t", Scopes: []string{"publish"}, Hash: bytes.Repeat([]byte{1}, 32), Created: time.Now()}
	if err := b.PutToken(ctx, "acme", token); err != nil {
		t.Fatal(err)
	}
	if err := b.PutSecret(ctx, "acme", "key", []byte(plain)); err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{"k1": "old", "k2": "binary \xff\x00", "gone": "x"} {
		if err := b.KVPut(ctx, "acme", key, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(b.KVPut(ctx, "acme", "k1", []byte("new"), 0), b.KVDelete(ctx, "acme", "gone"),
		b.KVPut(ctx, "acme", "ttl", []byte("short"), time.Hour)); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		publish(t, b, "acme", "news", fmt.Sprint("event ", i+1))
	}
}

// backUp returns a backup of acme.
func backUp(t *testing.T, b *broker.Broker, o broker.BackupOptions) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := b.Backup(within(t), "acme", o, &file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func restore(t *testing.T, b *broker.Broker, name string, file []byte, o broker.RestoreOptions) broker.Restored {
	t.Helper()
	return restoreFrom(t, b, name, bytes.NewReader(file), o)
}

func restoreFrom(t *testing.T, b *broker.Broker, name string, r io.Reader, o broker.RestoreOptions) broker.Restored {
	t.Helper()
	done, err := b.Restore(within(t), name, r, o)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func newKey(t *testing.T) *backup.Key {
	t.Helper()
	key, err := backup.NewKey(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestBackupWhileItIsUsed: events come one by one and in batches, and all keys change all the time.
func TestBackupWhileItIsUsed(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	const keys, batch = 50, 10
	using, stop := context.WithCancel(within(t))
	defer stop()
	var wg sync.WaitGroup
	var values, batches atomic.Int64
	wg.Go(func() {
		for round := 1; using.Err() == nil; round++ {
			for key := range keys {
				if err := b.KVPut(within(t), "acme", fmt.Sprint("key", key), []byte(strconv.Itoa(round)), 0); err != nil {
					t.Error(err)
				}
			}
			values.Store(int64(round))
		}
	})
	wg.Go(func() {
		for n := 0; using.Err() == nil; n++ {
			ps := make([]broker.Publication, batch)
			for i := range ps {
				ps[i] = broker.Publication{Subject: "batch", Data: strconv.Itoa(n)}
			}
			if _, err := b.PublishBatch(within(t), "acme", ps); err != nil {
				t.Error(err)
			}
			batches.Store(int64(n))
		}
	})
	for i := range 5 {
		name := fmt.Sprint("copy-", i)
		for round := values.Load() + 2; values.Load() < round; {
			publish(t, b, "acme", "single", "x")
		}
		last, written, whole := publish(t, b, "acme", "single", "the last before"), values.Load(), batches.Load()
		done := restore(t, b, name, backUp(t, b, broker.BackupOptions{}), broker.RestoreOptions{})
		if done.Last < last.Seq || done.Events != done.Last {
			t.Errorf("restored %+v, what was acknowledged is %s", done, last)
		}
		counts := map[string]int{}
		for n, e := range readTo(t, subscribe(t, b, name, broker.From{Earliest: true}, ">"), broker.Position{Seq: done.Last}) {
			if e.Seq != uint64(n+1) {
				t.Fatalf("event %d is at %d", n+1, e.Seq)
			}
			if e.Subject == "batch" {
				counts[e.Data]++
			}
		}
		for n := range int(whole) + 1 {
			if counts[strconv.Itoa(n)] != batch {
				t.Errorf("batch %d was acknowledged before, and has %d events", n, counts[strconv.Itoa(n)])
			}
		}
		for data, n := range counts {
			if n != batch {
				t.Errorf("of batch %s there are %d events", data, n)
			}
		}
		for key := range keys {
			value, err := b.KVGet(within(t), name, fmt.Sprint("key", key))
			if round, _ := strconv.Atoi(string(value)); err != nil || int64(round) < written {
				t.Errorf("key %d is of round %q, %v; round %d was done", key, value, err, written)
			}
		}
	}
	stop()
	wg.Wait()
}

func TestARestoredSourceGoesOnWhereItsEventsEnd(t *testing.T) {
	from, _ := start(t, broker.Config{})
	s := feed(t, from, broker.Spec{})
	at := appendTo(t, s, cursorOf(t, s), "2", "a", "b")
	file := backUp(t, from, broker.BackupOptions{})
	appendTo(t, s, at, "3", "c")
	to, _ := start(t, broker.Config{})
	restore(t, to, "acme", file, broker.RestoreOptions{})
	s = storeOf(t, to)
	if at = cursorOf(t, s); at.LastEventID != "2" || at.Revision != 1 {
		t.Errorf("it goes on at %+v", at)
	}
	appendTo(t, s, at, "3", "c")
	if got := fmt.Sprint(stored(t, to)); got != "[a b c]" {
		t.Errorf("there is %s", got)
	}
	for name, o := range map[string]broker.RestoreOptions{"copy": {}, "still": {StopSources: true}} {
		restore(t, to, name, file, o)
		if v, err := to.View(within(t), name); err != nil || !v.Sources["feed"].Stopped {
			t.Errorf("the source of %s is not stopped: %v", name, err)
		}
	}
}
