package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/broker"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("BROKER_TEST_PUBLISHER"); dir != "" {
		publishUntilKilled(dir)
	}
	if dir := os.Getenv("BROKER_TEST_SOURCE"); dir != "" {
		runSourceUntilKilled(dir, os.Getenv("BROKER_TEST_URL"))
	}
	if name := os.Getenv("BROKER_TEST_NODE"); name != "" {
		runNodeUntilKilled(name)
		return
	}
	// nats.go 1.55 forgets this goroutine when an object is stored faster than it starts: it then waits
	// on a channel that was already taken away.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"))
}

// start runs a broker with c until the test ends, or stop is called.
func start(t testing.TB, c broker.Config) (b *broker.Broker, stop func()) {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	if c.NATS == nil && c.Cluster == nil {
		c.NATS = givenNATS(t, c.Dir)
	}
	b, err := broker.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	stopped := false
	stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	select {
	case <-b.Ready():
	case err := <-ended:
		stopped = true
		t.Fatalf("Run ended before it was ready: %v", err)
	}
	return b, stop
}

// within is a context for one test.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// tenant makes a tenant.
func tenant(t testing.TB, b *broker.Broker, name string, spec broker.Spec) *broker.View {
	t.Helper()
	v, _, err := b.PutTenant(within(t), name, spec)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func publish(t testing.TB, b *broker.Broker, name, subject, data string) broker.Position {
	t.Helper()
	p, err := b.Publish(within(t), name, broker.Publication{Subject: subject, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNewNamesAllMistakes(t *testing.T) {
	_, err := broker.New(broker.Config{Node: "No!", MaxEventBytes: -1, RingBytes: -1, Linger: -1})
	if err == nil {
		t.Fatal("New took it")
	}
	if joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 2 {
		t.Errorf("not all joined: %v", err)
	}
	for _, part := range []string{"no data folder", "No!", "event limit", "linger", "ring"} {
		if !contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
}

func TestDataFolderIsForOneProcess(t *testing.T) {
	dir := t.TempDir()
	start(t, broker.Config{Dir: dir})
	second, err := broker.New(broker.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(within(t)); err == nil {
		t.Error("a second broker ran in the same folder")
	}
	if _, err := second.View(within(t), "acme"); !errors.Is(err, broker.ErrClosed) {
		t.Errorf("call after Run failed: %v", err)
	}
}

func TestSecretsAreForTheOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	start(t, broker.Config{Dir: dir})
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "operator.json"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, not %o", filepath.Base(path), got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	b, stop := start(t, broker.Config{})
	if err := b.Check(within(t)); err != nil {
		t.Error(err)
	}
	stop()
	if err := b.Check(within(t)); !errors.Is(err, broker.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}
