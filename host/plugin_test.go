package host_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

func TestEqualModulesShareTheirCode(t *testing.T) {
	h := newHost(t, host.Config{})
	wasm := using(abi.OnEvent, use{"close", nil}).bytes()
	var plugins []*host.Plugin
	for range 3 {
		p, err := h.Prepare(t.Context(), wasm)
		if err != nil {
			t.Fatal(err)
		}
		plugins = append(plugins, p)
	}
	if s := h.Stats(); s.Modules != 1 || s.Started != 1 {
		t.Errorf("three equal modules: %+v, want one module that was tried once", s)
	}
	plugins[0].Release()
	plugins[0].Release()
	plugins[2].Release()
	for _, p := range plugins {
		_, err := p.Event(t.Context(), host.Session{Services: newTenant()}, &abi.Event{})
		if released := p != plugins[1]; released != errors.Is(err, host.ErrReleased) || !released && err != nil {
			t.Errorf("event of a plugin released %v: %v", released, err)
		}
	}
	plugins[1].Release()
	if s := h.Stats(); s.Modules != 0 || s.Instances != 0 {
		t.Errorf("after the last release: %+v", s)
	}
	p, err := h.Prepare(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Event(t.Context(), host.Session{Services: newTenant()}, &abi.Event{}); err != nil {
		t.Errorf("prepared anew: %v", err)
	}
}

func TestReleaseLeavesRunningCallbacksAlone(t *testing.T) {
	s := set(t, host.Config{}, using(abi.OnStream, use{"sleep", []any{3600000}}, use{"send", []any{"bye", "", ""}}).bytes())
	s.viewer.err = errors.New("gone")
	end, wait := s.background(t)
	await(t, "the stream runs", func() bool { return s.host.Stats().Streams == 1 })
	s.plugin.Release()
	if err := s.stream(t.Context()); !errors.Is(err, host.ErrReleased) {
		t.Errorf("a stream after the release: %v, want ErrReleased", err)
	}
	if modules := s.host.Stats().Modules; modules != 1 {
		t.Errorf("%d modules while a callback runs", modules)
	}
	end()
	if err := wait(); err != nil {
		t.Error(err)
	}
	if got := s.tenant.reported(); len(got) != 2 || got[0] != -1 || got[1] != -1 {
		t.Errorf("sleep and send answered %v, want CLOSED twice", got)
	}
	if modules := s.host.Stats().Modules; modules != 0 {
		t.Errorf("%d modules after it", modules)
	}
}

func TestCloseWaitsForCallbacks(t *testing.T) {
	h, err := host.New(t.Context(), host.Config{})
	if err != nil {
		t.Fatal(err)
	}
	wasm := using(abi.OnStream, use{"sleep", []any{3600000}}).bytes()
	p, err := h.Prepare(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{host: h, plugin: p, viewer: newViewer(), tenant: newTenant(), lines: &lines{}}
	end, wait := s.background(t)
	await(t, "the stream runs", func() bool { return h.Stats().Streams == 1 })
	expired, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := h.Close(expired); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close while a callback runs: %v", err)
	}
	if err := s.stream(t.Context()); !errors.Is(err, host.ErrReleased) {
		t.Errorf("a stream of a closed host: %v", err)
	}
	if _, err := h.Prepare(t.Context(), wasm); !errors.Is(err, host.ErrReleased) {
		t.Errorf("a preparation of a closed host: %v", err)
	}
	end()
	if err := wait(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := h.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func TestWhatDoesNotRun(t *testing.T) {
	s := set(t, host.Config{}, newModule().export(abi.OnChunk, i32(0)).bytes())
	if err := s.stream(t.Context()); !errors.Is(err, host.ErrNoCallback) {
		t.Errorf("a stream of a plugin without onStream: %v", err)
	}
	if _, err := s.event(""); !errors.Is(err, host.ErrNoCallback) {
		t.Errorf("an event of a plugin without onEvent: %v", err)
	}
	s = set(t, host.Config{}, newModule().export(abi.OnStream, unreachable).bytes())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.stream(ended); err != nil || s.host.Stats().Streams != 0 {
		t.Errorf("a stream that is over: %v", err)
	}
	if err := s.plugin.Stream(t.Context(), host.Session{}); err == nil {
		t.Error("a session without emitter is not refused")
	}
}

// TestViewerLeavesDuringStart ends the stream while _initialize runs, which still comes to its end.
func TestViewerLeavesDuringStart(t *testing.T) {
	m := newModule()
	log := m.imported("log")
	m.imported("isClosed")
	m.imported("kvPut")
	m.exportAs(abi.Initialize, ":", i32(1), m.text("starts"), call(log), drop, times(1e6))
	m.export(abi.OnStream, m.use(use{"isClosed", nil}), m.report(), i32(0))
	s := set(t, host.Config{}, m.plain().bytes())
	ctx, end := context.WithCancel(t.Context())
	session := s.session()
	session.Log = func(slog.Level, string) { end() }
	if err := s.plugin.Stream(ctx, session); err != nil {
		t.Error(err)
	}
	if got := s.tenant.reported(); !slices.Equal(got, []int32{1}) {
		t.Errorf("isClosed answered %v, want 1", got)
	}
}

func TestSessionWithoutServicesAndLog(t *testing.T) {
	m := newModule()
	m.imported("log")
	m.imported("publish")
	m.export(abi.OnStream, m.use(use{"log", []any{1, "unheard"}}), drop, m.use(use{"publish", []any{"s", "d", "", ""}}))
	s := set(t, host.Config{}, m.bytes())
	var failed *host.CallbackError
	if err := s.plugin.Stream(t.Context(), host.Session{Emitter: s.viewer}); !errors.As(err, &failed) || failed.Code != int32(abi.Unavailable) {
		t.Errorf("publish without services: %v, want UNAVAILABLE", err)
	}
}

// TestEventsTakeTurns has more callers than instances, and checks that no two share one.
func TestEventsTakeTurns(t *testing.T) {
	m := newModule()
	publish := m.imported("publish")
	send := m.imported("send")
	// Traps if memory[0] is not 0: another call is in it.
	enter := slices.Concat(i32(0), load, []byte{0x04, 0x40, 0x00, 0x0b}, i32(0), i32(1), []byte{0x36, 2, 0})
	leave := slices.Concat(i32(0), i32(0), []byte{0x36, 2, 0})
	at := m.text("at")
	none := slices.Concat(i32(0), i32(0), i32(0), i32(0), i32(0), i32(0))
	m.export(abi.OnEvent, enter, at, none, call(publish), drop, at, i32(0), i32(0), i32(0), i32(0), call(send), drop, leave, i32(0))
	s := set(t, host.Config{IdleInstances: 3, EventTimeout: time.Minute}, m.bytes())
	service := &crowd{tenant: newTenant()}
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			for range 20 {
				o, err := s.plugin.Event(context.Background(), host.Session{Services: service}, &abi.Event{})
				if err != nil || len(o.Outputs) != 1 {
					t.Errorf("outcome is %+v, %v", o, err)
				}
			}
		})
	}
	callers.Wait()
	if most := service.most.Load(); most > 3 {
		t.Errorf("%d events ran at once, want 3 at most", most)
	}
	if stats := s.host.Stats(); stats.Events != 1000 || stats.Started > 4 || stats.Instances > 3 {
		t.Errorf("stats are %+v, want at most three instances for 1000 events", stats)
	}
}

// crowd counts how many publish at once.
type crowd struct {
	*tenant
	now, most atomic.Int64
}

func (c *crowd) Publish(context.Context, string, abi.Event) error {
	now := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	return nil
}

func TestEventWaitsForItsTurn(t *testing.T) {
	m := newModule()
	publish := m.imported("publish")
	m.export(abi.OnEvent, m.text("s"), i32(0), i32(0), i32(0), i32(0), i32(0), i32(0), call(publish))
	s := set(t, host.Config{IdleInstances: 1, EventTimeout: time.Minute}, m.bytes())
	service := &gate{tenant: newTenant(), entered: make(chan struct{}), open: make(chan struct{})}
	result := make(chan error, 1)
	go func() {
		result <- second(s.plugin.Event(context.Background(), host.Session{Services: service}, &abi.Event{}))
	}()
	<-service.entered
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.plugin.Event(ctx, s.session(), &abi.Event{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an event while another runs: %v", err)
	}
	s.plugin.Release() // the instance in use is closed when it is back
	close(service.open)
	if err := <-result; err != nil {
		t.Error(err)
	}
	if stats := s.host.Stats(); stats.Instances != 0 || stats.Modules != 0 {
		t.Errorf("stats are %+v", stats)
	}
}

// gate holds publishers until it opens.
type gate struct {
	*tenant
	entered, open chan struct{}
}

func (g *gate) Publish(context.Context, string, abi.Event) error {
	g.entered <- struct{}{}
	<-g.open
	return nil
}

// TestHammer prepares, runs, ends and releases at once from many goroutines; it is for -race.
func TestHammer(t *testing.T) {
	h := newHost(t, host.Config{EventTimeout: time.Minute})
	modules := [][]byte{
		using(abi.OnStream, use{"sleep", []any{3600000}}).export(abi.OnEvent, i32(1)).bytes(),
		using(abi.OnStream, use{"receive", []any{0, 64, 64, -1}}).export(abi.OnEvent, i32(0)).bytes(),
		newModule().export(abi.OnStream, unreachable).export(abi.OnEvent, unreachable).bytes(),
	}
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			for n := range 15 {
				hammer(t, h, modules[(w+n)%len(modules)])
			}
		})
	}
	workers.Wait()
}

func hammer(t *testing.T, h *host.Host, wasm []byte) {
	p, err := h.Prepare(context.Background(), wasm)
	if err != nil {
		t.Error(err)
		return
	}
	s := &stage{host: h, plugin: p, viewer: newViewer(), tenant: newTenant(), lines: &lines{}}
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range 3 {
		running.Go(func() { s.plugin.Stream(ctx, s.session()) })
		running.Go(func() { s.event("x") })
	}
	running.Go(end)
	running.Go(p.Release)
	running.Wait()
}
