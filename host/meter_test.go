package host_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

func TestSliceWithoutACallOfTheHost(t *testing.T) {
	for name, code := range spins() {
		if strings.Contains(name, "host calls") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := set(t, host.Config{CPUSlice: 10 * time.Millisecond}, spinner(abi.OnStream, code))
			wantTrap(t, s.stream(t.Context()), host.LimitSlice, "ran for 10ms without a call of the host")
		})
	}
}

// TestCallsOfTheHostBeginASlice works for much longer than a slice, in parts.
func TestCallsOfTheHostBeginASlice(t *testing.T) {
	m := newModule()
	m.imported("isClosed")
	work := m.function(":", 1, times(1_000_000))
	m.export(abi.OnStream, slices.Concat(slices.Repeat([][]byte{call(work), call(0), drop}, 400)...), i32(0))
	s := set(t, host.Config{CPUSlice: 50 * time.Millisecond, CPUShare: 100}, m.bytes())
	if err := s.stream(t.Context()); err != nil {
		t.Error(err)
	}
	m = newModule()
	m.imported("isClosed")
	work = m.function(":", 1, times(1_000_000))
	m.export(abi.OnStream, slices.Concat(slices.Repeat([][]byte{call(work)}, 400)...), i32(0))
	s = set(t, host.Config{CPUSlice: 50 * time.Millisecond, CPUShare: 100}, m.bytes())
	wantTrap(t, s.stream(t.Context()), host.LimitSlice, "")
}

func TestProcessorTimePerEvent(t *testing.T) {
	for name, code := range spins() {
		t.Run(name, func(t *testing.T) {
			c := host.Config{CPUEvent: 10 * time.Millisecond, EventTimeout: time.Minute, CPUShare: 100}
			s := set(t, c, spinner(abi.OnEvent, code))
			wantTrap(t, second(s.event("")), host.LimitEventCPU, "took 10ms of processor time for one event")
		})
	}
}

// TestShare has many run on a share that is small: they wait for it, and when the wait gets too long
// they are stopped. One alone goes on.
func TestShare(t *testing.T) {
	c := host.Config{CPUShare: 0.001, Grace: time.Millisecond}
	s := set(t, c, spinner(abi.OnStream, forever(call(0), drop)))
	share := s.host.NewShare()
	var streams sync.WaitGroup
	for range 20 {
		streams.Go(func() {
			session := s.session()
			session.Share = share
			wantTrap(t, s.plugin.Stream(context.Background(), session), host.LimitShare, "the processor share is used up")
		})
	}
	streams.Wait()
	wantTrap(t, s.stream(context.Background()), host.LimitShare, "") // on the plugin's own share
}

func TestCallDepth(t *testing.T) {
	depth := func(n int) []byte {
		m := newModule()
		down := m.function("i:i", 0, localGet0, []byte{0x04, 0x7f}, // if local 0, call with one less
			localGet0, i32(1), []byte{0x6b}, call(len(m.functions)), []byte{0x05}, i32(0), []byte{0x0b})
		return m.export(abi.OnStream, i32(n), call(down)).export(abi.OnEvent, i32(n), call(down)).bytes()
	}
	s := set(t, host.Config{CallDepth: 1000}, depth(900))
	for range 3 {
		if err := s.stream(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := s.event(""); err != nil {
			t.Error(err)
		}
	}
	s = set(t, host.Config{CallDepth: 1000}, depth(1100))
	wantTrap(t, s.stream(t.Context()), host.LimitStack, "more than 1000 calls inside each other")
	wantTrap(t, second(s.event("")), host.LimitStack, "")
}

// TestStackBytes goes as deep with frames that hold many values as it may, and then further.
func TestStackBytes(t *testing.T) {
	deep := func(n int) []byte {
		m := newModule()
		m.imported("isClosed")
		var code [][]byte
		for range 100 { // values that live across the call
			code = append(code, i32(0), load)
		}
		code = append(code, localGet0, []byte{0x04, 0x40}, // if local 0, call with one less, then call the host
			localGet0, i32(1), []byte{0x6b}, call(1), drop, []byte{0x0b}, call(0), drop)
		down := m.function("i:i", 0, append(code, slices.Repeat([][]byte{{0x6a}}, 99)...)...)
		return m.export(abi.OnStream, i32(n), call(down), drop, i32(0)).export(abi.OnEvent, i32(n), call(down), drop, i32(0)).bytes()
	}
	s := set(t, host.Config{StackBytes: 1 << 20}, deep(300))
	for range 3 {
		if err := s.stream(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := s.event(""); err != nil {
			t.Error(err)
		}
	}
	s = set(t, host.Config{StackBytes: 1 << 20}, deep(9000))
	for range 3 {
		wantTrap(t, s.stream(t.Context()), host.LimitStackBytes, "more than 1048576 bytes of stack for calls inside each other")
		wantTrap(t, second(s.event("")), host.LimitStackBytes, "")
	}
	if n := s.host.Stats().Instances; n != 0 {
		t.Errorf("%d instances are kept with stacks that are too large", n)
	}
}

// TestCollectorRunsBesideASpinningGuest would wait for ever if a guest could hold up the garbage
// collector.
func TestCollectorRunsBesideASpinningGuest(t *testing.T) {
	for name, code := range spins() {
		t.Run(name, func(t *testing.T) {
			s := set(t, host.Config{CPUSlice: time.Hour, CPUShare: 100, Grace: time.Millisecond}, spinner(abi.OnStream, code))
			end, wait := s.background(t)
			await(t, "the stream runs", func() bool { return s.host.Stats().Streams == 1 })
			for range 5 {
				runtime.GC()
			}
			end()
			wantTrap(t, wait(), host.LimitGrace, "")
		})
	}
}

func TestNamesOfTheMeterAreRefused(t *testing.T) {
	imports := newModule()
	imports.importedAs("millrace_meter", "refill", ":l")
	for name, m := range map[string]*module{
		"import": imports,
		"export": newModule().exportAs("millrace_meter.fuel", ":"),
	} {
		_, err := newHost(t, host.Config{}).Prepare(t.Context(), m.export(abi.OnEvent, i32(0)).bytes())
		var refused *host.RefusedError
		if !errors.As(err, &refused) || !strings.Contains(refused.Reason, "millrace_meter") {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}
