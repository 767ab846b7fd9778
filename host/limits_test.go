package host_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

// spins are ways never to return. Each is the body of a function; one that calls needs isClosed as
// its first import.
func spins() map[string][]byte {
	return map[string][]byte{
		"a loop":                 forever(),
		"a loop with host calls": forever(call(0), drop),
		"a loop that fills memory": forever(
			i32(0), i32(1), i32(65536), []byte{0xfc, 11, 0}),
	}
}

func spinner(callback string, code []byte) []byte {
	m := newModule()
	m.imported("isClosed")
	return m.export(callback, code).bytes()
}

func TestEventTimeout(t *testing.T) {
	for name, code := range spins() {
		t.Run(name, func(t *testing.T) {
			s := set(t, host.Config{EventTimeout: 20 * time.Millisecond}, spinner(abi.OnEvent, code))
			for range 3 {
				wantTrap(t, second(s.event("")), host.LimitEvent, "")
			}
			if stats := s.host.Stats(); stats.Instances != 0 || stats.Started != 4 || stats.Traps != 3 {
				t.Errorf("three timeouts leave %+v, want no instance, and four that were started", stats)
			}
		})
	}
}

func TestGraceStopsWhatGoesOn(t *testing.T) {
	for name, code := range spins() {
		t.Run(name, func(t *testing.T) {
			s := set(t, host.Config{CPUSlice: time.Hour, CPUShare: 100, Grace: 20 * time.Millisecond}, spinner(abi.OnStream, code))
			end, wait := s.background(t)
			await(t, "the stream runs", func() bool { return s.host.Stats().Streams == 1 })
			end()
			wantTrap(t, wait(), host.LimitGrace, "")
		})
	}
}

func TestStartTimeout(t *testing.T) {
	for name, code := range spins() {
		for _, where := range []string{"start function", abi.Initialize} {
			t.Run(name+" in "+where, func(t *testing.T) {
				m := newModule()
				m.imported("isClosed")
				if where == abi.Initialize {
					m.exportAs(abi.Initialize, ":", code)
				} else {
					m.start = m.function(":", 1, code)
				}
				h := newHost(t, host.Config{StartTimeout: 20 * time.Millisecond})
				_, err := h.Prepare(t.Context(), m.export(abi.OnStream, i32(0)).bytes())
				var refused *host.RefusedError
				if !errors.As(err, &refused) || !strings.Contains(refused.Reason, string(host.LimitStart)) {
					t.Errorf("error is %v, want a refusal for the start timeout", err)
				}
			})
		}
	}
}

func TestMemoryGrowsToItsLimit(t *testing.T) {
	m := newModule()
	m.imported("kvPut")
	var code [][]byte
	for _, pages := range []int{1, 1, 1, 1 << 15, -1, 0} {
		code = append(code, i32(pages), memoryGrow, m.report())
	}
	s := set(t, host.Config{MemoryBytes: 3<<16 + 5}, m.export(abi.OnStream, append(code, i32(0))...).bytes())
	for range 2 {
		s.tenant.results = nil
		if err := s.stream(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := s.tenant.reported(), []int32{1, 2, -1, -1, -1, 3}; !slices.Equal(got, want) {
			t.Errorf("memory.grow answered %v, want %v", got, want)
		}
	}
}

func TestTableGrowsToItsLimit(t *testing.T) {
	m := newModule()
	m.imported("kvPut")
	m.table = 10
	grow := func(by int) []byte {
		return slices.Concat([]byte{0xd0, 0x70}, i32(by), []byte{0xfc, 15, 0}, m.report())
	}
	m.export(abi.OnStream, grow(1<<30), grow(-1), grow(100), grow(1<<18), grow(0), i32(0))
	s := set(t, host.Config{}, m.bytes())
	if err := s.stream(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := s.tenant.reported(), []int32{-1, -1, 10, -1, 110}; !slices.Equal(got, want) {
		t.Errorf("table.grow answered %v, want %v", got, want)
	}
}

func TestInstancesAreBounded(t *testing.T) {
	m := using(abi.OnStream, use{"sleep", []any{3600000}}).export(abi.OnEvent, i32(0))
	s := set(t, host.Config{Instances: 2}, m.bytes())
	end, wait := s.background(t)
	endOther, waitOther := s.background(t)
	await(t, "both streams run", func() bool { return s.host.Stats().Streams == 2 })
	if err := s.stream(t.Context()); !errors.Is(err, host.ErrBusy) {
		t.Errorf("the third stream: %v, want ErrBusy", err)
	}
	if _, err := s.event(""); !errors.Is(err, host.ErrBusy) {
		t.Errorf("an event: %v, want ErrBusy", err)
	}
	if _, err := s.host.Prepare(t.Context(), newModule().export(abi.OnEvent, i32(1)).bytes()); !errors.Is(err, host.ErrBusy) {
		t.Errorf("another module: %v, want ErrBusy", err)
	}
	end()
	if err := wait(); err != nil {
		t.Error(err)
	}
	if _, err := s.event(""); err != nil {
		t.Errorf("an event after one stream has ended: %v", err)
	}
	endOther()
	if err := waitOther(); err != nil {
		t.Error(err)
	}
}

func TestOutputsAreBounded(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		want       int
	}{
		{"by their number", "", 1000},
		{"by their bytes", strings.Repeat("x", 100), 4},
	} {
		m := newModule()
		send := m.imported("send")
		args := slices.Concat(m.text(tt.data), i32(0), i32(0), i32(0), i32(0))
		m.export(abi.OnEvent, times(3000, args, call(send), drop), args, call(send))
		s := set(t, host.Config{SendBytes: 100}, m.bytes())
		_, err := s.event("")
		var failed *host.CallbackError
		if !errors.As(err, &failed) || failed.Code != int32(abi.Limit) {
			t.Errorf("%s: the last send: %v, want LIMIT", tt.name, err)
		}
		m = newModule()
		send = m.imported("send")
		m.export(abi.OnEvent, times(3000, args, call(send), drop), i32(1))
		m.text(tt.data)
		s = set(t, host.Config{SendBytes: 100}, m.bytes())
		o, err := s.event("")
		if err != nil || len(o.Outputs) != tt.want || !o.Pass {
			t.Errorf("%s: %d outputs, %v, want %d", tt.name, len(o.Outputs), err, tt.want)
		}
	}
}

// untilLimit makes a callback that calls the function until it answers LIMIT, and returns that.
func untilLimit(m *module, name string, args []byte) []byte {
	equal := []byte{0x46}
	returned := []byte{0x0f}
	m.export(abi.OnStream, times(100_000, args, call(m.imported(name)),
		i32(int(abi.Limit)), equal, []byte{0x04, 0x40}, i32(int(abi.Limit)), returned, []byte{0x0b}), i32(0))
	return m.bytes()
}

func wantLimit(t *testing.T, err error) {
	t.Helper()
	var failed *host.CallbackError
	if !errors.As(err, &failed) || failed.Code != int32(abi.Limit) {
		t.Errorf("the last call: %v, want LIMIT", err)
	}
}

func TestLogIsBounded(t *testing.T) {
	m := newModule()
	m.imported("log")
	s := set(t, host.Config{}, untilLimit(m, "log", slices.Concat(i32(1), m.text("flood"))))
	wantLimit(t, s.stream(t.Context()))
	if written, dropped := len(s.lines.lines), s.host.Stats().DroppedLines; written < 100 || dropped != 1 {
		t.Errorf("%d lines written, %d dropped", written, dropped)
	}
	await(t, "a line passes again", func() bool {
		wantLimit(t, s.stream(t.Context()))
		return strings.Contains(s.lines.text(), "lines dropped")
	})
}

func TestLogLinesAreBounded(t *testing.T) {
	long := strings.Repeat("€", 8<<10)
	s := set(t, host.Config{}, using(abi.OnStream, use{"log", []any{1, long}}).bytes())
	if err := s.stream(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := s.lines.text(), "INFO "+strings.Repeat("€", 8<<10/3)+"…"; got != want {
		t.Errorf("a long line has %d bytes, want %d", len(got), len(want))
	}
}

func TestPutsAreBounded(t *testing.T) {
	m := newModule()
	m.imported("kvPut")
	s := set(t, host.Config{}, untilLimit(m, "kvPut", slices.Concat(m.text("k"), m.text("v"), i64(0))))
	wantLimit(t, s.stream(t.Context()))
	wantLimit(t, s.stream(t.Context()))
}

func TestConfigReportsEveryMistake(t *testing.T) {
	_, err := host.New(context.Background(), host.Config{MemoryBytes: 1, Instances: -1, Grace: -time.Second})
	for _, want := range []string{"memory bytes", "instances", "grace"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want it to tell of %s", err, want)
		}
	}
}
