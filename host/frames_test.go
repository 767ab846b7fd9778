package host_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

// names is the section that gives functions their names, in order.
func names(texts ...string) []byte {
	list := leb(len(texts))
	for i, text := range texts {
		list = slices.Concat(list, leb(i), str(text))
	}
	return custom("name", []byte{1}, leb(len(list)), list)
}

func TestStackOfATrap(t *testing.T) {
	// The import is function 0, the callback 1, and what it calls 2.
	deep := func(names []byte, depth int, bottom ...[]byte) []byte {
		m := newModule()
		m.imported("now")
		m.export(abi.OnStream, i32(depth), call(2), i32(0))
		m.function("i:", 0, localGet0, []byte{0x04, 0x40}, localGet0, i32(1), []byte{0x6b}, call(2), []byte{0x05},
			slices.Concat(bottom...), []byte{0x0b})
		m.extra = names
		return m.bytes()
	}
	frame := func(name string) string { return name + "(i32)" }
	for _, tt := range []struct {
		name  string
		wasm  []byte
		limit host.Limit
		want  []string
	}{
		{"functions have their names", deep(names("now", "run", "fail"), 1, unreachable), "",
			[]string{"fail(i32)", "fail(i32)", "run() i32"}},
		{"those without have the index of the module as it came", deep(nil, 0, unreachable), "",
			[]string{"function 2(i32)", "function 1() i32"}},
		{"what cannot be printed is replaced", deep(names("now", "run", "a\nb\x1b[2J\u2028"), 0, unreachable), "",
			[]string{"a", "b\uFFFD[2J\uFFFD(i32)", "run() i32"}},
		{"a long name is cut off", deep(names("now", "run", strings.Repeat("x", 1000)), 0, unreachable), "",
			[]string{strings.Repeat("x", 200) + "…", "run() i32"}},
		{"a deep one is cut off", deep(nil, 100, unreachable), "", slices.Repeat([]string{frame("function 2")}, 20)},
		{"metering has no frames", deep(nil, 20_000), host.LimitStack, slices.Repeat([]string{frame("function 2")}, 20)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := set(t, host.Config{}, tt.wasm)
			trap := wantTrap(t, s.stream(t.Context()), tt.limit, "")
			if got := strings.Split(trap.Stack, "\n"); !slices.Equal(got, tt.want) {
				t.Errorf("stack is %q, want %q", got, tt.want)
			}
		})
	}
}
