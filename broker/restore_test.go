package broker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/backup"
	"github.com/millrace/millrace/broker/source"
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
	done, err := b.Restore(within(t), name, bytes.NewReader(file), o)
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

func TestRestoreIntoAnotherInstallation(t *testing.T) {
	from, _ := start(t, broker.Config{})
	furnish(t, from, 100)
	before, err := from.View(within(t), "acme")
	if err != nil {
		t.Fatal(err)
	}
	file := backUp(t, from, broker.BackupOptions{Key: newKey(t)})
	if bytes.Contains(file, []byte(plain)) {
		t.Error("the secret is in the file as it is")
	}
	to, _ := start(t, broker.Config{})
	done := restore(t, to, "acme", file, broker.RestoreOptions{Key: newKey(t)})
	if done.Events != 100 || done.Last != 100 || done.Secrets != 1 || done.Values != 3 {
		t.Errorf("restored %+v", done)
	}
	v, err := to.View(within(t), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]any{
		"spec": {before.Tenant.Spec, v.Tenant.Spec}, "tokens": {before.Tokens, v.Tokens},
		"plugins": {before.Plugins, v.Plugins}, "routes": {before.Routes, v.Routes}, "secrets": {before.Secrets, v.Secrets},
	} {
		if was, is := fmt.Sprint(pair[0]), fmt.Sprint(pair[1]); was != is {
			t.Errorf("%s were\n%s\nand are\n%s", what, was, is)
		}
	}
	if got, err := to.PluginBytes(within(t), before.Plugins["p"].Versions[1].Digest); string(got) != "first" || err != nil {
		t.Errorf("bytes of the first version: %q, %v", got, err)
	}
	if got, err := to.Secret(within(t), "acme", "key"); got != plain || err != nil {
		t.Errorf("secret: %q, %v", got, err)
	}
	for key, want := range map[string]string{"k1": "new", "k2": "binary \xff\x00", "ttl": "short"} {
		if got, err := to.KVGet(within(t), "acme", key); string(got) != want || err != nil {
			t.Errorf("value of %s: %q, %v", key, got, err)
		}
	}
	if _, err := to.KVGet(within(t), "acme", "gone"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("deleted key: %v", err)
	}
	if v := upload(t, to, "acme", "p", "third"); v.Version != 3 {
		t.Errorf("the next version is %d", v.Version)
	}
}

var _ = context.Background
var _ = source.ErrConflict
