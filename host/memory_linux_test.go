package host_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

// hog is a module that takes so many bytes in steps of 1 MiB, sends an event and waits for ever; on
// an event it takes them too.
func hog(megabytes int) []byte {
	m := newModule()
	m.pages = uint32(megabytes)*16 + 1
	send, receive, isClosed := m.imported("send"), m.imported("receive"), m.imported("isClosed")
	var take [][]byte
	for i := range megabytes {
		take = append(take, i32(65536+i<<20), i32(1), i32(1<<20), []byte{0xfc, 11, 0}, call(isClosed), drop)
	}
	fill := m.function(":", 0, take...)
	none := slices.Concat(i32(0), i32(0), i32(0), i32(0))
	m.export(abi.OnStream, call(fill), m.text("full"), none, call(send), drop,
		i32(0), i32(0), i32(0), i64(-1), call(receive), drop, i32(0))
	return m.export(abi.OnEvent, call(fill), i32(1)).bytes()
}

// TestGreedyInstancesAreStopped has instances fill their memories, some of which wait with that, some
// of which idle, until there is too much. One that holds little goes on.
func TestGreedyInstancesAreStopped(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some hundred MiB")
	}
	const others = 8
	limit := anonymousBytes(t) + 200<<20
	h := newHost(t, host.Config{TotalMemoryBytes: limit, CPUShare: 100, IdleInstances: others,
		CPUSlice: time.Hour, CPUEvent: time.Hour, EventTimeout: time.Hour, Grace: time.Hour})
	stageOf := func(megabytes int) *stage {
		p, err := h.Prepare(t.Context(), hog(megabytes))
		if err != nil {
			t.Fatal(err)
		}
		return &stage{host: h, plugin: p, viewer: newViewer(), tenant: newTenant(), lines: &lines{}}
	}
	modest, greedy := stageOf(1), stageOf(60)
	end, wait := modest.background(t)
	await(t, "the modest one waits", func() bool { return len(modest.viewer.data()) == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	results := make(chan error, 2*others)
	for range others {
		running.Go(func() { results <- greedy.stream(ctx) })
		running.Go(func() { results <- second(greedy.event("")) })
	}
	await(t, "all of them wait or have ended", func() bool { return len(greedy.viewer.data())+len(results) >= 2*others })
	await(t, "there is room again", func() bool {
		modest.event("") // whoever needs memory makes the host look
		return anonymousBytes(t) < limit
	})
	cancel()
	running.Wait()
	close(results)
	trapped := 0
	for err := range results {
		var trap *host.TrapError
		switch {
		case errors.As(err, &trap) && trap.Limit == host.LimitMemory:
			trapped++
		case err != nil && !errors.Is(err, host.ErrBusy):
			t.Error(err)
		}
	}
	if trapped == 0 { // how many depends on how many began before there was too much
		t.Error("none was stopped")
	}
	end()
	if err := wait(); err != nil {
		t.Errorf("the modest one: %v", err)
	}
}

// anonymousBytes is the private memory of the process.
func anonymousBytes(t *testing.T) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("needs /proc")
	}
	_, after, _ := strings.Cut(string(text), "RssAnon:")
	var kilobytes int64
	if _, err := fmt.Sscan(after, &kilobytes); err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// TestFullNode refuses new instances and larger memories while the process takes too much.
func TestFullNode(t *testing.T) {
	h := newHost(t, host.Config{TotalMemoryBytes: 1 << 20})
	if _, err := h.Prepare(t.Context(), newModule().export(abi.OnEvent, i32(0)).bytes()); !errors.Is(err, host.ErrBusy) {
		t.Errorf("an instance on a full node: %v, want ErrBusy", err)
	}
}
