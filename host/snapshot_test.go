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

// counting is a module that adds to a global, to its memory and to the end of its memory, which it
// lets grow: 1 in its start function, 10 in _initialize, 100 in each callback, which reports all
// three and how large the memory was.
func counting(pages int) *module {
	m := newModule()
	m.imported("kvPut")
	m.globals = 2
	top := []int{0, 0, pages<<16 - 4}
	add := func(n int) []byte {
		return slices.Concat(
			globalGet(1), i32(n), []byte{0x6a}, globalSet(1),
			i32(dataAt), i32(dataAt), load, i32(n), []byte{0x6a, 0x36, 2, 0},
			i32(top[2]), i32(top[2]), load, i32(n), []byte{0x6a, 0x36, 2, 0})
	}
	m.data = []byte{5, 0, 0, 0}
	m.start = m.function(":", 1, i32(pages-1), memoryGrow, drop, add(1))
	m.exportAs(abi.Initialize, ":", add(10))
	return m.export(abi.OnStream, add(100),
		globalGet(1), m.report(), i32(dataAt), load, m.report(), i32(top[2]), load, m.report(),
		i32(1), memoryGrow, m.report(), i32(pages<<16), load, m.report(), i32(0))
}

// TestSnapshotIsWhatAStartGives runs streams of one module, whose instances begin with a snapshot,
// and of the same one, whose instances start themselves.
func TestSnapshotIsWhatAStartGives(t *testing.T) {
	for _, pages := range []int{1, 2, 40} {
		for _, m := range []*module{counting(pages), counting(pages).plain()} {
			s := set(t, host.Config{}, m.bytes())
			info := s.plugin.Info()
			if plain := m.table > 0; info.Snapshot == plain || plain != strings.Contains(info.SnapshotReason, "changes a table") {
				t.Errorf("info is %+v", info)
			}
			for n := range 3 {
				s.tenant.results = nil
				if err := s.stream(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got, want := s.tenant.reported(), []int32{111, 116, 111, int32(pages), 0}; !slices.Equal(got, want) {
					t.Errorf("%d pages, snapshot %v: stream %d reports %v, want %v", pages, info.Snapshot, n, got, want)
				}
			}
		}
	}
}

// TestInstancesShareNothingTheyWrite runs many at once, each of which writes most of its memory.
func TestInstancesShareNothingTheyWrite(t *testing.T) {
	m := newModule()
	m.imported("kvPut")
	receive := m.imported("receive")
	m.pages = 4
	add := []byte{0x6a}
	// Local 0 goes down through the memory, to where its second page begins, and each byte is one more.
	bump := slices.Concat(i32(4<<16), localSet0, []byte{0x03, 0x40},
		localGet0, i32(1), []byte{0x6b, 0x22, 0}, localGet0, []byte{0x2d, 0, 0}, i32(1), add, []byte{0x3a, 0, 0},
		localGet0, i32(1<<16), []byte{0x47, 0x0d, 0, 0x0b})
	wait := slices.Concat(i32(0), i32(0), i32(0), i64(-1), call(receive), drop)
	sum := slices.Concat(i32(1<<16), load, m.report(), i32(4<<16-4), load, m.report())
	m.exportAs(abi.Initialize, ":", bump)
	m.export(abi.OnStream, bump, wait, sum, i32(0))
	s := set(t, host.Config{}, m.bytes())
	if info := s.plugin.Info(); !info.Snapshot {
		t.Fatalf("info is %+v", info)
	}
	ctx, end := context.WithCancel(t.Context())
	var streams sync.WaitGroup
	for range 8 {
		streams.Go(func() {
			if err := s.stream(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for range 8 {
		<-s.viewer.received
	}
	end()
	streams.Wait()
	if got, want := s.tenant.reported(), slices.Repeat([]int32{0x02020202}, 16); !slices.Equal(got, want) {
		t.Errorf("the instances report %x, want %x", got, want)
	}
}

func TestWhyThereIsNoSnapshot(t *testing.T) {
	reserved := newModule().exportAs("millrace_seed.start", ":").export(abi.OnEvent, i32(0))
	for _, tt := range []struct {
		module *module
		want   string
	}{
		{newModule().plain().export(abi.OnEvent, i32(0)), "function 0 changes a table"},
		{reserved, `the module exports "millrace_seed.start"`},
	} {
		s := set(t, host.Config{}, tt.module.bytes())
		if info := s.plugin.Info(); info.Snapshot || info.SnapshotReason != tt.want {
			t.Errorf("info is %+v, want %q", info, tt.want)
		}
		if _, err := s.event(""); err != nil {
			t.Error(err)
		}
	}
}

func TestDataOutsideOfMemoryIsRefused(t *testing.T) {
	m := newModule().export(abi.OnEvent, i32(0))
	m.data = make([]byte, 1<<16)
	_, err := newHost(t, host.Config{}).Prepare(t.Context(), m.bytes())
	var refused *host.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Reason, "outside of memory") {
		t.Errorf("error is %v", err)
	}
}

// TestModulesThatBecomeEqual prepares two modules that differ only in what no instance sees, and
// uses the one after the other is gone.
func TestModulesThatBecomeEqual(t *testing.T) {
	h := newHost(t, host.Config{})
	var plugins []*host.Plugin
	for n := range 2 {
		m := using(abi.OnEvent, use{"close", nil})
		m.extra = custom(fmt.Sprint(n))
		p, err := h.Prepare(t.Context(), m.bytes())
		if err != nil {
			t.Fatal(err)
		}
		plugins = append(plugins, p)
	}
	plugins[0].Release()
	if _, err := plugins[1].Event(t.Context(), host.Session{Services: newTenant()}, &abi.Event{}); err != nil {
		t.Error(err)
	}
}

// TestMemoryGoesWithItsInstance runs streams that end in every way, and looks at the process's
// mappings.
func TestMemoryGoesWithItsInstance(t *testing.T) {
	if _, err := os.Stat("/proc/self/maps"); err != nil {
		t.Skip("needs /proc")
	}
	endings := map[string]*module{
		"returns":          newModule().export(abi.OnStream, i32(0)),
		"grows":            newModule().export(abi.OnStream, i32(100), memoryGrow, drop, i32(0)),
		"traps":            newModule().export(abi.OnStream, unreachable),
		"is stopped":       newModule().export(abi.OnStream, forever()),
		"overflows":        newModule().export(abi.OnStream, call(0)),
		"starts by itself": newModule().plain().export(abi.OnStream, i32(0)),
	}
	for name, m := range endings {
		t.Run(name, func(t *testing.T) {
			s := set(t, host.Config{Grace: time.Millisecond}, m.bytes())
			run := func() {
				streams := s.host.Stats().Streams
				end, wait := s.background(t)
				if name == "is stopped" {
					await(t, "it runs", func() bool { return s.host.Stats().Streams > streams })
					end()
				}
				wait()
			}
			run()
			before := mappings(t)
			for range 20 {
				run()
			}
			if after := mappings(t); after > before+8 {
				t.Errorf("20 streams left %d mappings", after-before)
			}
		})
	}
}

// mappings is how many this process has.
func mappings(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}
