//go:build linux

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
	"slices"
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
	client  *client
	host    *host.Host
	before  holding
	attacks int64 // since then
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
		StartTimeout: 2 * time.Second, Grace: 200 * time.Millisecond,
	})
	check(t, err)
	server, err = web.New(web.Config{Broker: b, Host: h, AdminToken: nodeToken, Logger: logger, Drain: time.Millisecond, AllowPrivateOutbound: true})
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
// and no goroutine is left, and as much lives in the heap as before.
func TestNothingStays(t *testing.T) {
	r := startRemote(t)
	attacks := all(r.url)
	n := startNode(t)
	warmUp(t, n.client, 5)
	n.before = n.holds(t)
	t.Logf("before the attacks: %v", n.before)
	some := attacks
	switch slow, quick := divide(attacks); {
	case *long:
	case testing.Short():
		some = every(t, 25, attacks)
	default:
		some = slices.Concat(slow, every(t, 10, quick))
	}
	for i, a := range some {
		t.Run(a.name, func(t *testing.T) {
			a.run(t, n.client, fmt.Sprintf("t%d", i))
			check(t, eventually(leaveWithin, r.left))
			n.check(t)
		})
	}
	t.Logf("after the attacks: %v", n.holds(t))
	runtime.KeepAlive(attacks) // they were there before
}

// holding is what a node holds.
type holding struct {
	host       host.Stats
	goroutines int
	heap       int64 // bytes of what is alive, without the event store's blocks
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
	return holding{n.host.Stats(), len(goroutines()), int64(m.HeapAlloc) - storeBlocks(), f}
}

// storeBlocks is the bytes of the large buffers in which the event store keeps, for a while, what was
// written to it last. The profile of the heap tells who allocated what.
func storeBlocks() (bytes int64) {
	records := make([]runtime.MemProfileRecord, 4096)
	n, ok := runtime.MemProfile(records, false)
	for !ok {
		records = make([]runtime.MemProfileRecord, 2*n)
		n, ok = runtime.MemProfile(records, false)
	}
	for _, r := range records[:n] {
		if r.InUseObjects() == 0 || r.InUseBytes()/r.InUseObjects() < blockBytes {
			continue
		}
		if strings.HasPrefix(allocator(r.Stack()), "github.com/nats-io/nats-server/") {
			bytes += r.InUseBytes()
		}
	}
	return bytes
}

// blockBytes is less than the smallest of those buffers. What is as large is surely in the profile,
// which is a sample of one in sampledBytes.
const (
	blockBytes   = 128 << 10
	sampledBytes = 8 << 10
)

// allocator is the function that asked the runtime for memory.
func allocator(stack []uintptr) string {
	for frames := runtime.CallersFrames(stack); ; {
		frame, more := frames.Next()
		if !more || !strings.HasPrefix(frame.Function, "runtime.") {
			return frame.Function
		}
	}
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
	n.attacks++
	err := eventually(comeBackWithin, func() error {
		last = n.holds(t)
		switch {
		case last.host.Instances > 0 || last.host.Modules > 0 || last.goroutines > n.before.goroutines:
			return fmt.Errorf("something stays: %v, before %v", last, n.before)
		case float64(last.heap) > float64(n.before.heap)*(1+tolerance)+float64(n.attacks*tenantBytes):
			return fmt.Errorf("the heap does not come back: %v, before %v", last, n.before)
		}
		return last.within(n.before.footprint, n.attacks*tenantBytes+processBytes)
	})
	if err == nil {
		return
	}
	t.Error(err)
	if last.goroutines > n.before.goroutines {
		t.Logf("the goroutines:\n%.20000s", strings.Join(goroutines(), "\n\n"))
	}
	n.before, n.attacks = last, 0 // so that the next attack answers for itself only
}
