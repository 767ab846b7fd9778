package host_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

// store has modules by their digests, as a server's store of plugins does.
type store struct {
	mu      sync.Mutex
	modules map[string][]byte
	down    error         // what reads return, if not nil
	gate    chan struct{} // that reads wait for, if not nil
	reads   atomic.Int64
}

func newStore() *store { return &store{modules: map[string][]byte{}} }

func (s *store) module(ctx context.Context, digest string) ([]byte, error) {
	s.reads.Add(1)
	s.mu.Lock()
	module, down, gate := s.modules[digest], s.down, s.gate
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return module, down
}

func (s *store) set(down error, gate chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.gate = down, gate
}

// prepare prepares a module and puts it into the store.
func (s *store) prepare(t testing.TB, h *host.Host, module []byte) *host.Plugin {
	t.Helper()
	p, err := h.Prepare(context.Background(), module)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.modules[p.Info().Digest] = module
	return p
}

// speaker sends its number, and does so on onStream and onEvent.
func speaker(n int) *module {
	m := newModule()
	send := m.imported("send")
	say := slices.Concat(m.text(fmt.Sprint(n)), i32(0), i32(0), i32(0), i32(0), call(send), drop, i32(0))
	return m.export(abi.OnStream, say).export(abi.OnEvent, say)
}

// codeBytes is what the code of one module of speaker's size counts for.
func codeBytes(t testing.TB, module []byte) int64 {
	t.Helper()
	s := set(t, host.Config{}, module)
	return s.host.Stats().LoadedBytes
}

// hears gives the plugin an event and opens a stream, and wants to hear the number from both.
func hears(p *host.Plugin, n int) error {
	o, err := p.Event(context.Background(), host.Session{}, &abi.Event{})
	if err != nil {
		return fmt.Errorf("event of %d: %w", n, err)
	}
	if len(o.Outputs) != 1 || o.Outputs[0].Data != fmt.Sprint(n) {
		return fmt.Errorf("event of %d: %+v", n, o)
	}
	return streams(p, n)
}

func streams(p *host.Plugin, n int) error {
	v := newViewer()
	if err := p.Stream(context.Background(), host.Session{Emitter: v}); err != nil {
		return fmt.Errorf("stream of %d: %w", n, err)
	}
	if got := v.data(); !slices.Equal(got, []string{fmt.Sprint(n)}) {
		return fmt.Errorf("stream of %d: %v", n, got)
	}
	return nil
}

// TestRoomForTwoOfThree has three modules take turns, with each way to load them again.
func TestRoomForTwoOfThree(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config host.Config
		reads  int64 // of the store, for four reloads
	}{
		{"compiled anew", host.Config{}, 4},
		{"from the cache on disk", host.Config{CacheDir: t.TempDir()}, 0},
		{"from the cache on disk, with compiler processes", host.Config{CacheDir: t.TempDir(), Compiler: compiler(t)}, 0},
		{"from a cache that keeps nothing", host.Config{CacheDir: t.TempDir(), CacheBytes: 1}, 4},
	} {
		for kind, module := range map[string]func(int) []byte{
			"snapshot": func(n int) []byte { return speaker(n).bytes() },
			"plain":    func(n int) []byte { return speaker(n).plain().bytes() },
		} {
			t.Run(tt.name+", "+kind, func(t *testing.T) {
				store := newStore()
				c := tt.config
				c.Module, c.CodeBytes = store.module, codeBytes(t, module(0))*5/2
				h := newHost(t, c)
				var plugins []*host.Plugin
				for n := range 3 {
					plugins = append(plugins, store.prepare(t, h, module(n)))
				}
				reads := store.reads.Load()
				for _, step := range []struct {
					speaker int
					reloads uint64
				}{{1, 0}, {2, 0}, {0, 1}, {2, 1}, {1, 2}, {2, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 4}} {
					if err := hears(plugins[step.speaker], step.speaker); err != nil {
						t.Error(err)
					}
					s := h.Stats()
					if s.Reloads != step.reloads || s.Unloads != step.reloads+1 || s.Loaded != 2 || s.Modules != 3 || s.LoadedBytes > c.CodeBytes {
						t.Errorf("after %d: %+v, want %d reloads", step.speaker, s, step.reloads)
					}
				}
				if got := store.reads.Load() - reads; got != tt.reads {
					t.Errorf("the store was read %d times, want %d", got, tt.reads)
				}
			})
		}
	}
}

// TestSnapshotOutlivesItsCode has a module draw a number when it starts. Its instances have that same
// number before and after its code is loaded again.
func TestSnapshotOutlivesItsCode(t *testing.T) {
	m := newModule()
	random := m.importedAs(abi.WASI, "random_get", "ii:i")
	m.exportAs(abi.Initialize, ":", i32(0), i32(4), call(random), drop)
	m.export(abi.OnError, i32(0), load, i32(1<<31-1), []byte{0x71}) // i32.and
	store := newStore()
	h := newHost(t, host.Config{Module: store.module, CodeBytes: 1})
	store.prepare(t, h, m.bytes()) // holds the code
	drawn := map[int32]bool{}
	for n := range 5 {
		p := store.prepare(t, h, m.bytes()) // of the same code, without an instance
		o, err := p.Source(t.Context(), host.Session{}, abi.OnError, nil)
		if err != nil {
			t.Fatal(err)
		}
		drawn[o.Result] = true
		p.Release()
		store.prepare(t, h, speaker(n).bytes()).Release() // whoever loads makes room
	}
	if s := h.Stats(); len(drawn) != 1 || s.Reloads < 4 {
		t.Errorf("%d numbers were drawn, %+v", len(drawn), s)
	}
}

// TestLiveStreamsHoldTheirCode has room for one module, and of three a stream and an instance that is
// idle, which stays as well.
func TestLiveStreamsHoldTheirCode(t *testing.T) {
	waits := func(n int) []byte {
		return using(abi.OnStream, use{"send", []any{fmt.Sprint(n), "", ""}}, use{"sleep", []any{3600000}}).export(abi.OnEvent, i32(0)).bytes()
	}
	one := codeBytes(t, waits(0))
	store := newStore()
	h := newHost(t, host.Config{Module: store.module, CodeBytes: one})
	ctx, end := context.WithCancel(context.Background())
	defer end()
	var running sync.WaitGroup
	for n := range 3 {
		s := &stage{host: h, plugin: store.prepare(t, h, waits(n)), viewer: newViewer(), tenant: newTenant(), lines: &lines{}}
		running.Go(func() {
			if err := s.stream(ctx); err != nil {
				t.Error(err)
			}
		})
		await(t, "it runs", func() bool { return len(s.viewer.data()) == 1 })
		if _, err := s.event(""); err != nil {
			t.Error(err)
		}
	}
	speaks := store.prepare(t, h, speaker(7).bytes())
	for range 3 {
		if err := streams(speaks, 7); err != nil {
			t.Error(err)
		}
	}
	if s := h.Stats(); s.Loaded < 3 || s.LoadedBytes <= s.CodeBytes || s.CodeBytes != one || s.Instances != 6 {
		t.Errorf("with three streams: %+v", s)
	}
	end()
	running.Wait()
	store.prepare(t, h, speaker(8).bytes())
	if s := h.Stats(); s.Loaded != 0 && s.LoadedBytes > s.CodeBytes {
		t.Errorf("after the streams: %+v", s)
	}
}

// TestSourcesHoldTheirCode counts the calls of a source's callback in an instance's memory, while other
// code presses.
func TestSourcesHoldTheirCode(t *testing.T) {
	m := newModule()
	m.globals = 1
	m.export(abi.OnError, globalGet(0), i32(1), []byte{0x6a}, globalSet(0), globalGet(0))
	store := newStore()
	h := newHost(t, host.Config{Module: store.module, CodeBytes: 1})
	p := store.prepare(t, h, m.bytes())
	for n := range 5 {
		if o, err := p.Source(t.Context(), host.Session{}, abi.OnError, nil); err != nil || o.Result != int32(n+1) {
			t.Errorf("call %d: %+v, %v", n, o, err)
		}
		if err := hears(store.prepare(t, h, speaker(n).bytes()), n); err != nil {
			t.Error(err)
		}
	}
}

// TestRoomHammer calls six plugins from many goroutines, with room for two, while others come and go.
func TestRoomHammer(t *testing.T) {
	store := newStore()
	h := newHost(t, host.Config{CacheDir: t.TempDir(), Module: store.module, CodeBytes: 2 * codeBytes(t, speaker(0).bytes())})
	const plugins = 6
	var all []*host.Plugin
	for n := range plugins {
		all = append(all, store.prepare(t, h, speaker(n).bytes()))
	}
	hammer := func(rounds int) {
		var workers sync.WaitGroup
		for range 8 {
			workers.Go(func() {
				for range rounds {
					n := rand.IntN(plugins)
					if err := hears(all[n], n); err != nil {
						t.Error(err)
					}
				}
			})
		}
		workers.Go(func() {
			for range rounds {
				n := rand.IntN(plugins + 2)
				p, err := h.Prepare(context.Background(), speaker(n).bytes())
				if err != nil {
					t.Error(err)
					continue
				}
				store.mu.Lock()
				store.modules[p.Info().Digest] = speaker(n).bytes()
				store.mu.Unlock()
				if err := hears(p, n); err != nil {
					t.Error(err)
				}
				p.Release()
			}
		})
		workers.Wait()
	}
	hammer(20)
	heap, maps := heapBytes(), mappings(t)
	hammer(100)
	heapAfter, mapsAfter := heapBytes(), mappings(t)
	s := h.Stats()
	t.Logf("%+v; heap %d KiB, then %d; mappings %d, then %d", s, heap>>10, heapAfter>>10, maps, mapsAfter)
	if heapAfter > heap+4<<20 || mapsAfter > maps+100 {
		t.Error("that is more than it was")
	}
	if s.Reloads < 20 || s.Traps != 0 || s.FailedLoads != 0 {
		t.Error("too little was loaded, or something failed")
	}
}
