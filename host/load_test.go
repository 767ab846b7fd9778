package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/millrace/millrace/host"
)

// TestMissingModule takes away what code could be loaded from, and brings it back.
func TestMissingModule(t *testing.T) {
	store, dir := newStore(), t.TempDir()
	h := newHost(t, host.Config{CacheDir: dir, Module: store.module, CodeBytes: 1})
	p := store.prepare(t, h, speaker(1).bytes())
	if err := hears(p, 1); err != nil {
		t.Error(err)
	}
	store.prepare(t, h, speaker(2).bytes()) // and so the first is unloaded
	if err := os.RemoveAll(filepath.Join(dir, "modules")); err != nil {
		t.Fatal(err)
	}
	digest := p.Info().Digest
	module := store.modules[digest]
	for what, fail := range map[string]func(){
		"the store is down":      func() { store.set(errors.New("down"), nil) },
		"it has another module":  func() { store.modules[digest] = speaker(3).bytes() },
		"it has not even a byte": func() { store.modules[digest] = nil },
	} {
		fail()
		before := h.Stats().FailedLoads
		await(t, "it was tried", func() bool {
			err := hears(p, 1)
			if !errors.Is(err, host.ErrNotLoaded) || errors.As(err, new(*host.TrapError)) || errors.As(err, new(*host.RefusedError)) {
				t.Fatalf("%s: %v", what, err)
			}
			return h.Stats().FailedLoads > before
		})
		store.set(nil, nil)
		store.modules[digest] = module
	}
	failed := h.Stats().FailedLoads
	for range 100 {
		hears(p, 1) // which asks nobody
	}
	if s := h.Stats(); s.FailedLoads > failed+1 || s.Traps != 0 || s.Instances != 0 {
		t.Errorf("a hundred calls: %+v, after %d failures", s, failed)
	}
	await(t, "it is back", func() bool { return hears(p, 1) == nil })
}

// TestOneLoadForAll has many call a plugin while its module is on its way, one of which gives up.
func TestOneLoadForAll(t *testing.T) {
	store := newStore()
	h := newHost(t, host.Config{Module: store.module, CodeBytes: 1})
	p := store.prepare(t, h, speaker(1).bytes())
	store.prepare(t, h, speaker(2).bytes())
	before, gate := store.reads.Load(), make(chan struct{})
	store.set(nil, gate)
	ctx, giveUp := context.WithCancel(context.Background())
	var callers sync.WaitGroup
	callers.Go(func() {
		if err := p.Stream(ctx, host.Session{Emitter: newViewer()}); err != nil {
			t.Errorf("a viewer who left: %v", err)
		}
	})
	await(t, "the first reads", func() bool { return store.reads.Load() == before+1 })
	for range 20 {
		callers.Go(func() {
			if err := streams(p, 1); err != nil {
				t.Error(err)
			}
		})
	}
	await(t, "all are there", func() bool { return h.Stats().Instances == 21 })
	giveUp()
	await(t, "another reads", func() bool { return store.reads.Load() == before+2 })
	close(gate)
	callers.Wait()
	if s := h.Stats(); store.reads.Load() != before+2 || s.Reloads != 1 || s.FailedLoads != 0 {
		t.Errorf("%d reads, %+v", store.reads.Load()-before, s)
	}
}

// TestSpoiltCopyIsMadeAnew changes a byte of the module that lies beside its code.
func TestSpoiltCopyIsMadeAnew(t *testing.T) {
	store, dir := newStore(), t.TempDir()
	h := newHost(t, host.Config{CacheDir: dir, Module: store.module, CodeBytes: 1})
	p := store.prepare(t, h, speaker(1).bytes())
	copies, err := filepath.Glob(filepath.Join(dir, "modules", "*"))
	if err != nil || len(copies) != 1 {
		t.Fatal(copies, err)
	}
	content, err := os.ReadFile(copies[0])
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(copies[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		store.prepare(t, h, speaker(2+n).bytes()) // makes room
		if err := hears(p, 1); err != nil {
			t.Error(err)
		}
	}
	if s := h.Stats(); store.reads.Load() != 1 || s.Reloads < 2 {
		t.Errorf("%d reads of the store, want 1; %+v", store.reads.Load(), s)
	}
}
