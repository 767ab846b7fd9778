//go:build hostile && linux

package hostile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/web"
)

const nodeToken = "the-operators-token-of-these-tests"

// node is a whole server in this process, where what it holds can be counted.
type node struct {
	client *client
	host   *host.Host
	before holding
}

// startNode starts a node with the limits of a server, but shorter times.
func startNode(t *testing.T) *node {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	var server *web.Server
	b, err := broker.New(broker.Config{
		Dir: t.TempDir(), Logger: logger, Linger: 10 * time.Millisecond,
		Changed: func(tenant string) { server.Changed(tenant) },
	})
	check(t, err)
	h, err := host.New(t.Context(), host.Config{
		CacheDir: t.TempDir(), Logger: logger, Compiler: []string{os.Args[0], compileCommand},
		StartTimeout: time.Second, Grace: 200 * time.Millisecond,
	})
	check(t, err)
	server, err = web.New(web.Config{Broker: b, Host: h, AdminToken: nodeToken, Logger: logger, Drain: time.Millisecond})
	check(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)

	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	serve := func(run func() error) {
		wg.Go(func() {
			if err := run(); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	brokerCtx, stopBroker := context.WithCancel(context.Background())
	serve(func() error { return b.Run(brokerCtx) })
	<-b.Ready()
	serve(func() error { return errors.Join(server.Run(ctx, l), h.Close(context.Background())) })
	n := &node{client: newClient("http://"+l.Addr().String(), nodeToken), host: h}
	t.Cleanup(func() {
		stop()
		n.client.http.CloseIdleConnections()
		if err := eventually(attackWithin, func() error { return nothing(h.Stats().Instances) }); err != nil {
			t.Error(err)
		}
		stopBroker()
		wg.Wait()
	})
	check(t, eventually(attackWithin, func() error { return n.client.must(t.Context(), "GET", "/readyz", nil) }))
	return n
}

func nothing(instances int64) error {
	if instances != 0 {
		return fmt.Errorf("%d instances live", instances)
	}
	return nil
}

// TestNothingStays attacks a node in this process. After each attack no instance, no compiled module
// and no goroutine is left, and the memory is what it was.
func TestNothingStays(t *testing.T) {
	n := startNode(t)
	for i := range 20 {
		for _, a := range harmless() {
			a.run(t, n.client, fmt.Sprintf("warm-%d", i))
		}
	}
	n.client.http.CloseIdleConnections()
	n.before = n.holds(t)
	t.Logf("before the attacks: %v", n.before)
	for i, a := range all() {
		t.Run(a.name, func(t *testing.T) {
			a.run(t, n.client, fmt.Sprintf("t%d", i))
			n.check(t)
		})
	}
	t.Logf("after the attacks: %v", n.holds(t))
}

// holding is what a node holds.
type holding struct {
	host       host.Stats
	goroutines int
	heap       uint64 // bytes of what is alive
	footprint
}

func (h holding) String() string {
	return fmt.Sprintf("%d instances, %d modules, %d goroutines, a heap of %.1f MiB, %v",
		h.host.Instances, h.host.Modules, h.goroutines, float64(h.heap)/(1<<20), h.footprint)
}

// holds lets go of all that nobody needs and returns what is left.
func (n *node) holds(t *testing.T) holding {
	t.Helper()
	n.client.http.CloseIdleConnections()
	runtime.GC()
	debug.FreeOSMemory() // collects once more, since finalizers ran
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f, err := footprintOf(os.Getpid())
	check(t, err)
	return holding{n.host.Stats(), len(goroutines()), m.HeapAlloc, f}
}

// goroutines are the stacks of those that run code of the platform or of its WebAssembly runtime. The
// event store starts others as it likes, and keeps them.
func goroutines() (found []string) {
	b := make([]byte, 8<<20)
	for stack := range strings.SplitSeq(string(b[:runtime.Stack(b, true)]), "\n\n") {
		if strings.Contains(stack, "github.com/millrace/millrace/") && !strings.Contains(stack, "testing.tRunner") ||
			strings.Contains(stack, "github.com/tetratelabs/wazero") {
			found = append(found, stack)
		}
	}
	return found
}

// check waits until the node holds no more than before.
func (n *node) check(t *testing.T) {
	t.Helper()
	var last holding
	err := eventually(stayWithin, func() error {
		last = n.holds(t)
		switch {
		case last.host.Instances > 0 || last.host.Modules > 0 || last.goroutines > n.before.goroutines:
			return fmt.Errorf("something stays: %v, before %v", last, n.before)
		case float64(last.heap) > float64(n.before.heap)*(1+tolerance)+heapRoom:
			return fmt.Errorf("the heap does not come back: %v, before %v", last, n.before)
		}
		return last.within(n.before.footprint, heapRoom)
	})
	if err == nil {
		return
	}
	t.Error(err)
	if last.goroutines > n.before.goroutines {
		t.Logf("the goroutines:\n%.20000s", strings.Join(goroutines(), "\n\n"))
	}
	n.before = last // so that the next attack answers for itself only
}

// stayWithin is how long a node may take to let go of an attack, while it is told to collect.
const stayWithin = 30 * time.Second

// heapRoom is what the event store keeps for a while of what went through it last, in bytes: that may
// be a module of thirty megabytes.
const heapRoom = 20 << 20
