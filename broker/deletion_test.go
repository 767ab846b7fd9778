package broker_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
)

// files counts the files below dir whose paths hold content. Empty folders do not count: of several
// servers, one may leave some.
func files(t *testing.T, dir, content string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, content) {
			n++
		}
		if errors.Is(err, fs.ErrNotExist) { // deleted meanwhile
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDeleteTenant(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	ctx := within(t)
	tenant(t, b, "acme", broker.Spec{})
	tenant(t, b, "other", broker.Spec{})
	old := publish(t, b, "acme", "a", "1")
	publish(t, b, "other", "a", "1")
	plugin := upload(t, b, "acme", "p", "bytes")
	if err := b.PutToken(ctx, "acme", broker.Token{ID: "t1"}); err != nil {
		t.Fatal(err)
	}
	if err := b.KVPut(ctx, "acme", "k", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	s := subscribe(t, b, "acme", broker.From{}, ">")
	go func() {
		_, _, err := s.Next(context.Background())
		ended <- err
	}()
	account := b.Account(t, "acme")
	if files(t, storedIn(dir), account) == 0 {
		t.Fatal("the account has no files")
	}
	if err := b.DeleteTenant(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("the subscription ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the subscription goes on")
	}
	if n := files(t, storedIn(dir), account); n != 0 {
		t.Errorf("%d files are left", n)
	}
	if _, err := b.View(ctx, "acme"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("View: %v", err)
	}
	if _, err := b.PluginBytes(ctx, plugin.Digest); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("PluginBytes: %v", err)
	}
	if _, err := b.Publish(ctx, "acme", broker.Publication{Subject: "a"}); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Publish: %v", err)
	}
	publish(t, b, "other", "a", "2")

	v := tenant(t, b, "acme", broker.Spec{})
	if len(v.Tokens)+len(v.Plugins)+len(v.Routes) != 0 {
		t.Errorf("made again it has %+v", v)
	}
	if got := subscribe(t, b, "acme", broker.From{After: old.String()}, ">").Start(); !got.Reset || got.Position.Seq != 0 {
		t.Errorf("its history starts at %+v", got)
	}
	if _, err := b.KVGet(ctx, "acme", "k"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("KVGet: %v", err)
	}
	if v := upload(t, b, "acme", "p", "x"); v.Version != 1 {
		t.Errorf("its plugin begins with version %d", v.Version)
	}
	stop()
	b, _ = start(t, broker.Config{Dir: dir})
	if n := len(b.Views()); n != 2 {
		t.Errorf("%d tenants after a restart", n)
	}
}

func TestDeletionCutShortIsFinished(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	tenant(t, b, "acme", broker.Spec{})
	tenant(t, b, "again", broker.Spec{})
	publish(t, b, "acme", "a", "1")
	account := b.Account(t, "acme")
	upload(t, b, "again", "p", "bytes")
	b.MarkDeleting(within(t), t, "acme")
	b.MarkDeleting(within(t), t, "again")
	if _, err := b.View(within(t), "acme"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("View: %v", err)
	}
	if v := tenant(t, b, "again", broker.Spec{}); len(v.Plugins) != 0 {
		t.Errorf("made again it has %+v", v)
	}
	stop()
	b, _ = start(t, broker.Config{Dir: dir})
	for ctx := within(t); files(t, storedIn(dir), account) > 0; {
		if ctx.Err() != nil {
			t.Fatalf("its files are still there: %d", files(t, storedIn(dir), account))
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := b.View(within(t), "again"); err != nil {
		t.Error(err)
	}
}
