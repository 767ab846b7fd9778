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
			s := set(t, host.Config{Grace: 20 * time.Millisecond}, spinner(abi.OnStream, code))
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

func TestTraps(t *testing.T) {
	exit := func(code int) *module {
		m := newModule()
		exit := m.importedAs(abi.WASI, "proc_exit", "i:")
		return m.export(abi.OnStream, i32(code), call(exit), i32(0))
	}
	on := func(code ...[]byte) *module { return newModule().export(abi.OnStream, code...) }
	recursion := func() *module {
		m := newModule()
		return m.export(abi.OnStream, call(0))
	}
	indirect := func(code ...[]byte) *module {
		m := on(slices.Concat(code...), []byte{0x11, 0, 0})
		m.table = 1
		return m
	}
	for _, tt := range []struct {
		name, want string
		limit      host.Limit
		module     *module
	}{
		{"unreachable", "unreachable", "", on(unreachable)},
		{"a division by zero", "integer divide by zero", "", on(i32(1), i32(0), divide)},
		{"a division that overflows", "integer overflow", "", on(i32(-1<<31), i32(-1), divide)},
		{"a conversion of what is no number", "invalid conversion to integer", "", on(nan, truncate)},
		{"a read outside of memory", "out of bounds memory access", "", on(i32(65533), load)},
		{"a read far outside of memory", "out of bounds memory access", "", on(i32(-1), load)},
		{"a call of an empty table entry", "invalid table access", "", indirect(i32(0))},
		{"a call outside of the table", "invalid table access", "", indirect(i32(1))},
		{"recursion", "stack overflow", host.LimitStack, recursion()},
		{"an exit", "exit code 3", "", exit(3)},
		{"an exit with the code of a context's end", "exit code 4294967295", "", exit(-1)},
		{"an exit with the code of a context's deadline", "exit code 4026531839", "", exit(0xefffffff)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := set(t, host.Config{}, tt.module.bytes())
			trap := wantTrap(t, s.stream(t.Context()), tt.limit, tt.want)
			if trap.Callback != abi.OnStream {
				t.Errorf("callback is %q", trap.Callback)
			}
			if tt.want == "unreachable" && !strings.Contains(trap.Stack, "() i32") {
				t.Errorf("stack is %q, want the callback's frame", trap.Stack)
			}
			if stats := s.host.Stats(); stats.Traps != 1 || stats.Instances != 0 {
				t.Errorf("stats are %+v", stats)
			}
		})
	}
}

func TestExitWithZeroIsSuccess(t *testing.T) {
	m := newModule()
	exit := m.importedAs(abi.WASI, "proc_exit", "i:")
	code := [][]byte{i32(0), call(exit), unreachable}
	s := set(t, host.Config{}, m.export(abi.OnStream, code...).export(abi.OnEvent, code...).bytes())
	if err := s.stream(t.Context()); err != nil {
		t.Errorf("onStream: %v", err)
	}
	for range 2 {
		if o, err := s.event(""); err != nil || o.Pass {
			t.Errorf("onEvent: %+v, %v", o, err)
		}
	}
	if stats := s.host.Stats(); stats.Instances != 0 || stats.Traps != 0 {
		t.Errorf("stats are %+v, want no instance kept, no trap", stats)
	}
}

// TestWASIWithLengthsThatOverflow makes wazero's own functions fail.
func TestWASIWithLengthsThatOverflow(t *testing.T) {
	m := newModule()
	poll := m.importedAs(abi.WASI, "poll_oneoff", "iiii:i")
	s := set(t, host.Config{}, m.export(abi.OnStream, i32(0), i32(64), i32(0x10000001), i32(32), call(poll)).bytes())
	trap := wantTrap(t, s.stream(t.Context()), "", "")
	if text := trap.Reason + trap.Stack; strings.Contains(text, "goroutine") || strings.Contains(text, ".go:") {
		t.Errorf("trap tells the host's insides: %s", text)
	}
}

func TestResults(t *testing.T) {
	for _, tt := range []struct {
		callback string
		result   int
		want     string
	}{
		{abi.OnStream, 0, ""},
		{abi.OnStream, 7, ""},
		{abi.OnStream, -1, "onStream returned -1 (stream has ended)"},
		{abi.OnStream, -1 << 31, "onStream returned -2147483648"},
		{abi.OnEvent, 0, ""},
		{abi.OnEvent, 1, ""},
		{abi.OnEvent, 2, "onEvent returned 2"},
		{abi.OnEvent, -100, "onEvent returned -100"},
	} {
		s := set(t, host.Config{}, newModule().export(tt.callback, i32(tt.result)).bytes())
		err := s.stream(t.Context())
		if tt.callback == abi.OnEvent {
			var o host.Outcome
			if o, err = s.event(""); o.Pass != (tt.result == 1) {
				t.Errorf("%s returns %d: pass is %v", tt.callback, tt.result, o.Pass)
			}
		}
		var failed *host.CallbackError
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s returns %d: error is %v", tt.callback, tt.result, err)
		case tt.want != "" && (!errors.As(err, &failed) || failed.Code != int32(tt.result) || err.Error() != tt.want):
			t.Errorf("%s returns %d: error is %v, want %s", tt.callback, tt.result, err, tt.want)
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

func TestLogIsBounded(t *testing.T) {
	m := newModule()
	log := m.imported("log")
	m.export(abi.OnStream, times(1000, i32(1), m.text("flood"), call(log), drop),
		i32(1), m.text("flood"), call(log))
	s := set(t, host.Config{}, m.bytes())
	var failed *host.CallbackError
	if err := s.stream(t.Context()); !errors.As(err, &failed) || failed.Code != int32(abi.Limit) {
		t.Errorf("the last log: %v, want LIMIT", err)
	}
	// The rate may let a few more pass while the test runs.
	written := len(s.lines.lines)
	if dropped := s.host.Stats().DroppedLines; written < 100 || written > 500 || dropped+uint64(written) < 1001 {
		t.Errorf("%d lines written, %d dropped, of 1001", written, dropped)
	}
	long := strings.Repeat("€", 8<<10)
	s = set(t, host.Config{}, using(abi.OnStream, use{"log", []any{1, long}}).bytes())
	if err := s.stream(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := s.lines.text(), "INFO "+strings.Repeat("€", 8<<10/3)+"…"; got != want {
		t.Errorf("a long line has %d bytes, want %d", len(got), len(want))
	}
}

func TestPutsAreBounded(t *testing.T) {
	m := newModule()
	put := m.imported("kvPut")
	args := slices.Concat(m.text("k"), m.text("v"), i64(0))
	m.export(abi.OnStream, times(1000, args, call(put), drop), args, call(put))
	s := set(t, host.Config{}, m.bytes())
	var failed *host.CallbackError
	if err := s.stream(t.Context()); !errors.As(err, &failed) || failed.Code != int32(abi.Limit) {
		t.Errorf("the last kvPut: %v, want LIMIT", err)
	}
}

func TestConfigReportsEveryMistake(t *testing.T) {
	_, err := host.New(context.Background(), host.Config{MemoryBytes: 1, Instances: -1, Grace: -time.Second})
	for _, want := range []string{"memory bytes", "instances", "grace"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want it to tell of %s", err, want)
		}
	}
}

func second(_ host.Outcome, err error) error { return err }

func wantTrap(t *testing.T, err error, limit host.Limit, reason string) *host.TrapError {
	t.Helper()
	var trap *host.TrapError
	if !errors.As(err, &trap) {
		t.Fatalf("error is %v, want a trap", err)
	}
	if trap.Limit != limit || reason != "" && trap.Reason != reason {
		t.Errorf("trap is %+v, want limit %q, reason %q", trap, limit, reason)
	}
	return trap
}
