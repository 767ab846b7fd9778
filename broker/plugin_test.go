package broker_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
)

func digest(s string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s))) }

func upload(t testing.TB, b *broker.Broker, name, plugin, wasm string) broker.PluginVersion {
	t.Helper()
	v, _, err := b.PutPlugin(within(t), name, broker.PluginVersion{Name: plugin, Digest: digest(wasm)}, []byte(wasm))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPlugins(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	ctx := within(t)
	for i, tt := range []struct {
		wasm    string
		version int
		created bool
	}{{"one", 1, true}, {"one", 1, false}, {"two", 2, true}, {"one", 3, true}} {
		v, created, err := b.PutPlugin(ctx, "acme", broker.PluginVersion{Name: "p", Digest: digest(tt.wasm), Language: "go"}, []byte(tt.wasm))
		if err != nil || created != tt.created || v.Version != tt.version || v.Size != 3 || v.Language != "go" {
			t.Errorf("put %d: %+v, %t, %v", i, v, created, err)
		}
	}
	view, _ := b.View(ctx, "acme")
	for reference, want := range map[string]int{"p": 3, "p@2": 2, "p@" + digest("two"): 2, "p@" + digest("one"): 3, "p@9": 0, "q": 0, "p@": 0} {
		if v, ok := view.Version(reference); v.Version != want || ok != (want > 0) {
			t.Errorf("%s is version %d, %t", reference, v.Version, ok)
		}
	}
	if _, _, err := b.PutPlugin(ctx, "acme", broker.PluginVersion{Name: "p", Digest: digest("x")}, []byte("y")); err == nil {
		t.Error("bytes with another digest were stored")
	}
	if _, _, err := b.PutRoute(ctx, "acme", "r", broker.RouteSpec{Path: "/", Plugin: "none"}); err == nil {
		t.Error("a route names a plugin that is not there")
	}
}

func TestDeletePlugin(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	tenant(t, b, "other", broker.Spec{})
	ctx := within(t)
	shared := upload(t, b, "acme", "p", "shared")
	upload(t, b, "other", "q", "shared")
	own := upload(t, b, "acme", "p", "own")
	if _, _, err := b.PutRoute(ctx, "acme", "r", broker.RouteSpec{Path: "/", Plugin: "p@1"}); err != nil {
		t.Fatal(err)
	}
	if err := b.DeletePlugin(ctx, "acme", "p"); !errors.Is(err, broker.ErrInUse) {
		t.Errorf("in use: %v", err)
	}
	if _, _, err := b.PutRoute(ctx, "acme", "r", broker.RouteSpec{Path: "/"}); err != nil {
		t.Fatal(err)
	}
	if err := b.DeletePlugin(ctx, "acme", "p"); err != nil {
		t.Fatal(err)
	}
	if err := b.DeletePlugin(ctx, "acme", "p"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if _, err := b.PluginBytes(ctx, own.Digest); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("bytes that nobody has: %v", err)
	}
	if got, err := b.PluginBytes(ctx, shared.Digest); err != nil || string(got) != "shared" {
		t.Errorf("bytes that another tenant has: %q, %v", got, err)
	}
	if v := upload(t, b, "acme", "p", "own"); v.Version != 3 {
		t.Errorf("a deleted plugin's version was given again: %d", v.Version)
	}
	if got, err := b.PluginBytes(ctx, own.Digest); err != nil || string(got) != "own" {
		t.Errorf("uploaded again: %q, %v", got, err)
	}
}

func TestOldVersionsGo(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	ctx := within(t)
	first := upload(t, b, "acme", "p", "first")
	second := upload(t, b, "acme", "p", "second")
	if _, _, err := b.PutRoute(ctx, "acme", "r", broker.RouteSpec{Path: "/", Plugin: "p@1"}); err != nil {
		t.Fatal(err)
	}
	for i := range broker.MaxVersions {
		upload(t, b, "acme", "p", fmt.Sprint(i))
	}
	view, _ := b.View(ctx, "acme")
	if n := len(view.Plugins["p"].Versions); n != broker.MaxVersions+1 {
		t.Errorf("%d versions kept", n)
	}
	if _, err := b.PluginBytes(ctx, first.Digest); err != nil {
		t.Errorf("a version that a route names: %v", err)
	}
	if _, err := b.PluginBytes(ctx, second.Digest); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("a version that none names: %v", err)
	}
}

func TestOrphanedBytesGo(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	tenant(t, b, "acme", broker.Spec{})
	kept := upload(t, b, "acme", "p", "kept")
	orphan := b.StoreBytes(within(t), t, []byte("orphan"))
	if _, err := b.PluginBytes(within(t), orphan); err != nil {
		t.Fatal(err)
	}
	stop()
	b, _ = start(t, broker.Config{Dir: dir})
	for ctx := within(t); ; time.Sleep(time.Millisecond) {
		_, err := b.PluginBytes(ctx, orphan)
		if errors.Is(err, broker.ErrNotFound) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.PluginBytes(within(t), kept.Digest); err != nil {
		t.Error(err)
	}
}
