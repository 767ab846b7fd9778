package host_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

// viewer is an Emitter that records, and that receives what is put into its queue.
type viewer struct {
	err      error // what sends and comments return
	received chan struct{}
	queue    chan *abi.Event

	mu       sync.Mutex
	sent     []abi.Event
	comments []string
	closes   int
}

func newViewer() *viewer {
	return &viewer{queue: make(chan *abi.Event, 16), received: make(chan struct{}, 1000)}
}

func (v *viewer) Send(e abi.Event) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err == nil {
		v.sent = append(v.sent, e)
	}
	return v.err
}

func (v *viewer) Comment(text string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err == nil {
		v.comments = append(v.comments, text)
	}
	return v.err
}

func (v *viewer) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closes++
}

func (v *viewer) Receive(ctx context.Context) (*abi.Event, error) {
	v.received <- struct{}{}
	select {
	case e := <-v.queue:
		return e, nil
	default:
	}
	select {
	case e := <-v.queue:
		return e, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// data is the data of what was sent.
func (v *viewer) data() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	data := []string{}
	for _, e := range v.sent {
		data = append(data, e.Data)
	}
	return data
}

// tenant is Services in memory. Values under the key "r" are results that a module reports.
type tenant struct {
	err error // what all calls but reports return

	mu        sync.Mutex
	values    map[string][]byte
	ttls      map[string]time.Duration
	published map[string][]abi.Event
	results   []int32
	panics    bool
}

func newTenant() *tenant {
	return &tenant{values: map[string][]byte{}, ttls: map[string]time.Duration{}, published: map[string][]abi.Event{}}
}

func (t *tenant) Publish(_ context.Context, subject string, e abi.Event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.panics {
		panic("a secret of the host")
	}
	if t.err == nil {
		t.published[subject] = append(t.published[subject], e)
	}
	return t.err
}

func (t *tenant) KVGet(_ context.Context, key string) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return nil, t.err
	}
	value, ok := t.values[key]
	if !ok {
		return nil, fmt.Errorf("key %s: %w", key, abi.NotFound)
	}
	return value, nil
}

func (t *tenant) KVPut(_ context.Context, key string, value []byte, ttl time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if key == "r" {
		t.results = append(t.results, int32(binary.LittleEndian.Uint32(value)))
		return nil
	}
	if t.err == nil {
		t.values[key], t.ttls[key] = value, ttl
	}
	return t.err
}

func (t *tenant) KVDelete(_ context.Context, key string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		delete(t.values, key)
	}
	return t.err
}

func (t *tenant) reported() []int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]int32{}, t.results...)
}

// lines is a plugin's log.
type lines struct {
	mu    sync.Mutex
	lines []string
}

func (l *lines) log(level slog.Level, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf("%v %s", level, text))
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// patience is how long a test waits for what must come. Only a hang comes near it.
const patience = 2 * time.Minute

// stage is all that a test of one plugin needs.
type stage struct {
	host   *host.Host
	plugin *host.Plugin
	viewer *viewer
	tenant *tenant
	lines  *lines
}

func newHost(t testing.TB, c host.Config) *host.Host {
	t.Helper()
	h, err := host.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Errorf("close host: %v", err)
		}
		if s := h.Stats(); s.Instances != 0 || s.Modules != 0 {
			t.Errorf("after Close there are %d instances and %d modules", s.Instances, s.Modules)
		}
	})
	return h
}

// set makes a stage with a host of its own.
func set(t testing.TB, c host.Config, wasm []byte) *stage {
	t.Helper()
	h := newHost(t, c)
	p, err := h.Prepare(t.Context(), wasm)
	if err != nil {
		t.Fatalf("prepare: %v", err)
	}
	return &stage{host: h, plugin: p, viewer: newViewer(), tenant: newTenant(), lines: &lines{}}
}

func (s *stage) session() host.Session {
	return host.Session{Emitter: s.viewer, Services: s.tenant, Log: s.lines.log}
}

func (s *stage) stream(ctx context.Context) error { return s.plugin.Stream(ctx, s.session()) }

func (s *stage) event(data string) (host.Outcome, error) {
	return s.plugin.Event(context.Background(), s.session(), &abi.Event{Data: data})
}

// background runs the stream and returns how to end it and how to wait for its result.
func (s *stage) background(t testing.TB) (end context.CancelFunc, wait func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- s.stream(ctx) }()
	t.Cleanup(cancel)
	return cancel, func() error {
		t.Helper()
		select {
		case err := <-result:
			return err
		case <-time.After(patience):
			t.Fatal("the callback did not end")
			return nil
		}
	}
}

// await waits until the condition holds.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
