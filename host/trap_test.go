package host_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

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
		{"recursion", "more than 10000 calls inside each other", host.LimitStack, recursion()},
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
