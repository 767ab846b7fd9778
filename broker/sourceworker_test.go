package broker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

const remoteEvents = 500

// events have ids as nchan gives them, and are so big that a worker never has all of them at once.
func events() []abi.Event {
	all := make([]abi.Event, remoteEvents)
	for i := range all {
		all[i] = abi.Event{Name: "tick", ID: fmt.Sprintf("17000%05d:%d", i/7, i%7), Data: fmt.Sprint(i, " ", strings.Repeat("x", 2000))}
	}
	return all
}

// remote serves the events to any number of connections, each from its id on.
// What it sends comes in pieces, so that it takes many Appends.
func remote(t testing.TB) *sourcetest.Server {
	all := events()
	s := sourcetest.NewServer(sourcetest.New(func(_ int, r sourcetest.Request) sourcetest.Reply {
		rest := append(slices.Clone(sourcetest.After(all, r.LastEventID)), abi.Event{Data: source.DefaultDone})
		return sourcetest.Reply{Body: sourcetest.Stream(rest), Trickle: 8 << 10, Pause: time.Millisecond}
	}))
	t.Cleanup(s.Close)
	return s
}

// twice gives two outputs for each event of the remote.
func twice(_ context.Context, c source.Chunk) (sends []abi.Event, pass bool, err error) {
	number, _, ok := strings.Cut(c.Event.Data, " ")
	if !ok {
		return nil, false, nil
	}
	return []abi.Event{{Name: "tick", Data: number + "a"}, {Name: "tick", Data: number + "b"}}, false, nil
}

func wantOutputs() (want []string) {
	for i := range remoteEvents {
		want = append(want, fmt.Sprint(i, "a"), fmt.Sprint(i, "b"))
	}
	return want
}

// quick is a source of the remote that loses no time between connections.
func quick(url string) source.Config {
	c := config(url)
	c.Retry = source.Retry{Initial: 1, Max: 5}
	return c
}

func worker(client *source.Client, c source.Config, store source.Store, log *slog.Logger) *source.Worker {
	w, err := source.NewWorker(source.WorkerConfig{
		Name: "feed", Source: c, Client: client, Store: store, Logger: log, Callbacks: source.Callbacks{OnEvent: twice},
	})
	if err != nil {
		panic(err) // the configuration is the tests' own
	}
	return w
}

func newClient(t testing.TB) *source.Client {
	c := source.NewClient(source.ClientConfig{AllowPrivate: true})
	t.Cleanup(c.Close)
	return c
}

// mortal is a store whose process dies before or after its second Append.
type mortal struct {
	source.Store
	after bool
	die   context.CancelCauseFunc
	calls int
}

var errDied = errors.New("process died")

func (m *mortal) Append(ctx context.Context, at source.Cursor, outputs []source.Output, to source.Cursor) (source.Cursor, error) {
	m.calls++
	if m.calls < 2 {
		return m.Store.Append(ctx, at, outputs, to)
	}
	if m.calls == 2 && m.after {
		m.Store.Append(ctx, at, outputs, to) // nobody is there to be told of its result
	}
	m.die(errDied)
	return source.Cursor{}, errDied
}

func TestAWorkerThatDiesAtEachWriteLosesAndDoublesNothing(t *testing.T) {
	for _, after := range []bool{false, true} {
		b, _ := start(t, broker.Config{})
		server, client := remote(t), newClient(t)
		tenant(t, b, "acme", broker.Spec{})
		putSource(t, b, "feed", quick(server.URL))
		deaths := 0
		for {
			ctx, die := context.WithCancelCause(within(t))
			err := worker(client, quick(server.URL), &mortal{Store: storeOf(t, b), after: after, die: die}, nil).Run(ctx)
			die(nil)
			if err == nil {
				break
			}
			if deaths++; !errors.Is(err, errDied) || deaths > remoteEvents {
				t.Fatalf("after %d deaths: %v", deaths, err)
			}
		}
		if deaths < 10 {
			t.Errorf("died %d times only", deaths)
		}
		if got := stored(t, b); !slices.Equal(got, wantOutputs()) {
			t.Errorf("after %d deaths %d outputs are stored: %.200q", deaths, len(got), got)
		}
	}
}

func TestTwoWorkersAtOnceDoNoHarm(t *testing.T) {
	b, _ := start(t, broker.Config{})
	server, client := remote(t), newClient(t)
	tenant(t, b, "acme", broker.Spec{})
	putSource(t, b, "feed", quick(server.URL))
	var wg sync.WaitGroup
	for range 3 {
		store := storeOf(t, b)
		wg.Go(func() {
			if err := worker(client, quick(server.URL), store, nil).Run(within(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := stored(t, b); !slices.Equal(got, wantOutputs()) {
		t.Errorf("%d outputs are stored: %.200q", len(got), got)
	}
}

// runSourceUntilKilled is the whole of the process that TestKilledSource starts. It prints a line
// for each Append, and one at the end.
func runSourceUntilKilled(dir, url string) {
	b, err := broker.New(broker.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	go func() { panic(b.Run(context.Background())) }()
	ctx := context.Background()
	if _, _, err := b.PutTenant(ctx, "acme", broker.Spec{}); err != nil {
		panic(err)
	}
	if _, _, err := b.PutSource(ctx, "acme", "feed", quick(url)); err != nil {
		panic(err)
	}
	v, err := b.View(ctx, "acme")
	if err != nil {
		panic(err)
	}
	client := source.NewClient(source.ClientConfig{AllowPrivate: true})
	store := telling{b.SourceStore(v, "feed")}
	if err := worker(client, quick(url), store, nil).Run(ctx); err != nil {
		panic(err)
	}
	fmt.Println("done")
	select {}
}

type telling struct{ source.Store }

func (s telling) Append(ctx context.Context, at source.Cursor, outputs []source.Output, to source.Cursor) (source.Cursor, error) {
	fmt.Println("append")
	return s.Store.Append(ctx, at, outputs, to)
}

// TestKilledSource kills the process that pulls a source, at random moments, until one has come to
// the end.
func TestKilledSource(t *testing.T) {
	dir, server := t.TempDir(), remote(t)
	kills := 0
	for !runSource(t, dir, server.URL) {
		if kills++; kills > remoteEvents {
			t.Fatal("it does not come to an end")
		}
	}
	b, _ := start(t, broker.Config{Dir: dir})
	if got := stored(t, b); !slices.Equal(got, wantOutputs()) {
		t.Errorf("after %d kills %d outputs are stored: %.200q", kills, len(got), got)
	}
	if kills < 3 {
		t.Errorf("killed %d times only", kills)
	}
}

// runSource starts a process and kills it after some Appends have begun; true if it is done before.
func runSource(t *testing.T, dir, url string) (done bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BROKER_TEST_SOURCE="+dir, "BROKER_TEST_URL="+url)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for left := 2 + rand.IntN(8); left > 0 && lines.Scan(); left-- {
		if done = lines.Text() == "done"; done {
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	return done
}
