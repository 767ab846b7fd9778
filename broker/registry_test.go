package broker_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
)

func TestTenants(t *testing.T) {
	b, _ := start(t, broker.Config{})
	ctx := within(t)
	if _, err := b.View(ctx, "acme"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("before it is made: %v", err)
	}
	spec := broker.Spec{Hosts: []string{"a.example"}, Quotas: broker.Quotas{HistoryAge: "1h"}}
	for i, want := range []bool{true, false} {
		v, created, err := b.PutTenant(ctx, "acme", spec)
		if err != nil || created != want || !reflect.DeepEqual(v.Tenant.Spec, spec) || v.Tenant.UID == "" {
			t.Errorf("put %d: %+v, %t, %v", i, v, created, err)
		}
	}
	first, _ := b.View(ctx, "acme")
	if v := tenant(t, b, "acme", spec); v != first {
		t.Error("equal content made another view")
	}
	spec.Hosts = []string{"api.example"}
	if v := tenant(t, b, "acme", spec); v.Tenant.UID != first.Tenant.UID || !slices.Equal(v.Tenant.Hosts, spec.Hosts) {
		t.Errorf("changed: %+v", v.Tenant)
	}
	tenant(t, b, "aaa", broker.Spec{})
	if views := b.Views(); len(views) != 2 || views[0].Tenant.Name != "aaa" || views[1].Tenant.Name != "acme" {
		t.Errorf("views %v", views)
	}
}

func TestBadTenants(t *testing.T) {
	b, _ := start(t, broker.Config{})
	for _, tt := range []struct {
		name, tenant string
		quotas       broker.Quotas
		field        string
	}{
		{"a name of other letters", "Acme", broker.Quotas{}, "tenant"},
		{"a name that is a subject", "a.b", broker.Quotas{}, "tenant"},
		{"an empty name", "", broker.Quotas{}, "tenant"},
		{"an age that is none", "acme", broker.Quotas{HistoryAge: "soon"}, "quotas.historyAge"},
		{"an age that keeps nothing", "acme", broker.Quotas{HistoryAge: "1ms"}, "quotas.historyAge"},
		{"a negative size", "acme", broker.Quotas{HistoryBytes: -1}, "quotas.historyBytes"},
		{"a size that keeps nothing", "acme", broker.Quotas{HistoryBytes: 1}, "quotas.historyBytes"},
	} {
		_, _, err := b.PutTenant(within(t), tt.tenant, broker.Spec{Quotas: tt.quotas})
		var bad *broker.InvalidError
		if !errors.As(err, &bad) || bad.Field != tt.field {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, name := range []string{"nobody", "", "a.b", ">"} {
		if _, err := b.View(within(t), name); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("View(%q): %v", name, err)
		}
		if err := b.DeleteTenant(within(t), name); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("DeleteTenant(%q): %v", name, err)
		}
		if _, err := b.Publish(within(t), name, broker.Publication{Subject: "a"}); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("Publish(%q): %v", name, err)
		}
	}
}

func TestTokens(t *testing.T) {
	b, _ := start(t, broker.Config{})
	ctx := within(t)
	token := broker.Token{ID: "t1", Name: "ci", Scopes: []string{"publish"}, Created: time.Now().UTC().Truncate(time.Second), Hash: []byte{1, 2}}
	if err := b.PutToken(ctx, "acme", token); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("without a tenant: %v", err)
	}
	tenant(t, b, "acme", broker.Spec{})
	if err := b.PutToken(ctx, "acme", token); err != nil {
		t.Fatal(err)
	}
	if v, _ := b.View(ctx, "acme"); !reflect.DeepEqual(v.Tokens["t1"], token) {
		t.Errorf("got %+v", v.Tokens["t1"])
	}
	if err := b.DeleteToken(ctx, "acme", "t1"); err != nil {
		t.Fatal(err)
	}
	if v, _ := b.View(ctx, "acme"); len(v.Tokens) != 0 {
		t.Errorf("after deletion: %v", v.Tokens)
	}
	if err := b.DeleteToken(ctx, "acme", "t1"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestRoutes(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	ctx := within(t)
	put := func(path string) (broker.Route, bool) {
		t.Helper()
		r, created, err := b.PutRoute(ctx, "acme", "r", broker.RouteSpec{Path: path, Access: broker.Access{Public: true}})
		if err != nil {
			t.Fatal(err)
		}
		return r, created
	}
	for i, tt := range []struct {
		path     string
		created  bool
		revision int
	}{{"/a", true, 1}, {"/a", false, 1}, {"/b", true, 2}, {"/a", true, 3}} {
		r, created := put(tt.path)
		if created != tt.created || r.Revisions[0].Revision != tt.revision || r.Revisions[0].Path != tt.path {
			t.Errorf("put %d: %+v, %t", i, r, created)
		}
	}
	for i, tt := range []struct {
		to, revision int
		path         string
	}{{0, 4, "/b"}, {1, 5, "/a"}, {5, 5, "/a"}} {
		r, err := b.RollbackRoute(ctx, "acme", "r", tt.to)
		if err != nil || r.Revisions[0].Revision != tt.revision || r.Revisions[0].Path != tt.path {
			t.Errorf("rollback %d: %+v, %v", i, r.Revisions, err)
		}
	}
	if _, err := b.RollbackRoute(ctx, "acme", "r", 99); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("rollback to nothing: %v", err)
	}
	if _, err := b.RollbackRoute(ctx, "acme", "none", 0); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("rollback of nothing: %v", err)
	}
	for i := range broker.MaxRevisions {
		put(fmt.Sprint("/", i))
	}
	if v, _ := b.View(ctx, "acme"); len(v.Routes["r"].Revisions) != broker.MaxRevisions {
		t.Errorf("%d revisions kept", len(v.Routes["r"].Revisions))
	}
	if err := b.DeleteRoute(ctx, "acme", "r"); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteRoute(ctx, "acme", "r"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
}

// TestConcurrentWriters has many writers change one record at once: each write must be there.
func TestConcurrentWriters(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	const n = 32
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			path := fmt.Sprint("/", i)
			_, created, err := b.PutRoute(within(t), "acme", "r", broker.RouteSpec{Path: path})
			if err != nil || !created {
				t.Errorf("put %s: %t, %v", path, created, err)
			}
			// What was written is to be seen at once on this node.
			v, _ := b.View(within(t), "acme")
			if !slices.ContainsFunc(v.Routes["r"].Revisions, func(r broker.RouteRevision) bool { return r.Path == path }) {
				t.Errorf("%s is not in the view", path)
			}
		})
	}
	wg.Wait()
	v, _ := b.View(within(t), "acme")
	paths := map[string]bool{}
	for i, r := range v.Routes["r"].Revisions {
		if r.Revision != n-i {
			t.Errorf("revision %d is at %d", r.Revision, i)
		}
		paths[r.Path] = true
	}
	if len(paths) != n {
		t.Errorf("%d of %d writes are there", len(paths), n)
	}
}

func TestChangedTellsOfEachView(t *testing.T) {
	var mu sync.Mutex
	var told []string
	b, _ := start(t, broker.Config{Changed: func(name string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, name)
	}})
	ctx := within(t)
	tenant(t, b, "acme", broker.Spec{})
	if _, _, err := b.PutRoute(ctx, "acme", "r", broker.RouteSpec{Path: "/"}); err != nil {
		t.Fatal(err)
	}
	tenant(t, b, "other", broker.Spec{})
	if err := b.DeleteTenant(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(told, []string{"acme", "acme", "other", "acme"}) {
		t.Errorf("told of %v by the time that the writes returned", told)
	}
}

func TestRestartKeepsAll(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	ctx := within(t)
	tenant(t, b, "acme", broker.Spec{Hosts: []string{"h"}})
	if err := b.PutToken(ctx, "acme", broker.Token{ID: "t1", Hash: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	plugin := upload(t, b, "acme", "p", "bytes")
	if _, _, err := b.PutRoute(ctx, "acme", "r", broker.RouteSpec{Path: "/", Plugin: "p@1"}); err != nil {
		t.Fatal(err)
	}
	if err := b.KVPut(ctx, "acme", "k", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	id := publish(t, b, "acme", "a", "1")
	last := publish(t, b, "acme", "a", "2")
	before, _ := b.View(ctx, "acme")
	stop()

	var told []string
	b, _ = start(t, broker.Config{Dir: dir, Changed: func(name string) { told = append(told, name) }})
	if !slices.Equal(told, []string{"acme"}) {
		t.Errorf("told of %v before it was ready", told)
	}
	after, err := b.View(ctx, "acme")
	if err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("before %+v\nafter  %+v, %v", before, after, err)
	}
	if wasm, err := b.PluginBytes(ctx, plugin.Digest); err != nil || string(wasm) != "bytes" {
		t.Errorf("plugin %q, %v", wasm, err)
	}
	if v, err := b.KVGet(ctx, "acme", "k"); err != nil || string(v) != "v" {
		t.Errorf("key %q, %v", v, err)
	}
	s := subscribe(t, b, "acme", broker.From{After: id.String()}, "a")
	if e := take(t, s, 1)[0]; e.ID != last.String() || e.Data != "2" {
		t.Errorf("after %s comes %s %q", id, e.ID, e.Data)
	}
}
