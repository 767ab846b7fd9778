package source_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

func TestMain(m *testing.M) {
	if os.Getenv("SOURCE_TEST_IDLE") != "" {
		serveIdle()
		return
	}
	goleak.VerifyTestMain(m)
}

// world is a remote, a client that reaches it through memory, and a store. All of it lives in a
// bubble, where time passes only while everybody waits.
type world struct {
	t      *testing.T
	remote *sourcetest.Pipe
	client *source.Client
	store  *memory
	began  time.Time
}

// inBubble runs f with a remote that answers by script.
func inBubble(t *testing.T, script func(n int, r sourcetest.Request) sourcetest.Reply, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: &memory{}, began: time.Now()}
		w.remote = sourcetest.NewPipe(sourcetest.New(script))
		w.client = source.NewClient(source.ClientConfig{Secrets: secrets})
		w.client.DialBy(w.remote.Dial)
		f(w)
		w.client.Close()
		w.remote.Close()
		synctest.Wait()
	})
}

func secrets(_ context.Context, name, _ string) (string, error) {
	if name == "key" {
		return "s3cret-value", nil
	}
	return "", source.ErrNoSecret
}

// config is a source of the world's remote, whose waits have no jitter.
func config() source.Config {
	return source.Config{
		URL: "http://remote.example/stream?token=x", Subject: "feed.{event}",
		Retry: source.Retry{Jitter: new(0.0)},
	}
}

func (w *world) worker(c source.Config, callbacks source.Callbacks) *source.Worker {
	w.t.Helper()
	worker, err := source.NewWorker(source.WorkerConfig{
		Name: "feed", Node: "n1", Source: c, Client: w.client, Store: w.store, Callbacks: callbacks,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return worker
}

// run runs a worker until it ends, or for an hour.
func (w *world) run(c source.Config, callbacks source.Callbacks) (source.Status, error) {
	w.t.Helper()
	return w.runFor(time.Hour, w.worker(c, callbacks))
}

func (w *world) runFor(d time.Duration, worker *source.Worker) (source.Status, error) {
	ctx, cancel := context.WithTimeoutCause(w.t.Context(), d, errHour)
	defer cancel()
	err := worker.Run(ctx)
	return worker.Status(), err
}

var errHour = errors.New("the hour is over")

// serveIdle is the whole of the process that BenchmarkIdle starts: a remote that says one event and
// then nothing. It prints its URL and ends with its input.
func serveIdle() {
	events := sourcetest.Stream(sourcetest.Plain(1))
	s := sourcetest.NewServer(sourcetest.New(sourcetest.Always(sourcetest.Reply{Body: events, Stall: new(len(events))})))
	fmt.Println(s.URL)
	bufio.NewReader(os.Stdin).ReadByte() // its end is all that is waited for
}
