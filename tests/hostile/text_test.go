//go:build linux

package hostile

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/module"
	"github.com/millrace/millrace/tests/hostile/op"
)

// injected is what a text tries to get into a stream as an event of its own.
const injected = "injected"

// texts break out of where they are put, or are no text.
func texts() []attack {
	var attacks []attack
	for _, end := range []struct{ name, bytes string }{{"LF", "\n"}, {"CR", "\r"}, {"CR LF", "\r\n"}, {"two LF", "\n\n"}} {
		breaks := "a" + end.bytes + "data: " + injected + "" + end.bytes + end.bytes
		attacks = append(attacks, attack{
			name: end.name + " in names, ids, comments and data",
			guest: func(g *guest) {
				g.stream(
					g.expect(abi.Invalid, "send", "x", breaks, ""), g.expect(abi.Invalid, "send", "x", "", breaks),
					g.expect(abi.Invalid, "publish", "out", "x", breaks, ""), g.expect(abi.Invalid, "publish", "out", "x", "", breaks),
					g.expect(abi.OK, "comment", breaks), g.expect(abi.OK, "send", breaks, "kept", ""), g.survive())
			},
			sees:  survived,
			never: "^" + injected,
		}, attack{
			name: end.name + " in what onEvent puts in place of an event",
			guest: func(g *guest) {
				g.event(g.expect(abi.Invalid, "send", "x", breaks, ""), g.expect(abi.OK, "send", breaks, "kept", ""))
			},
			events: 1,
			sees:   nameOf(0),
			never:  "^" + injected,
		})
	}
	for _, bad := range []struct{ name, bytes string }{
		{"a byte that begins nothing", "a\xff"},
		{"a character that is cut off", "a\xe2\x82"},
		{"a character in more bytes than it needs", "\xc0\x80"},
		{"half of a surrogate pair", "\xed\xa0\x80"},
		{"a character behind the last", "\xf5\x80\x80\x80"},
	} {
		attacks = append(attacks, attack{
			name: "no UTF-8 but " + bad.name,
			guest: func(g *guest) {
				g.stream(
					g.expect(abi.Invalid, "send", bad.bytes, "", ""), g.expect(abi.Invalid, "send", "", bad.bytes, ""),
					g.expect(abi.Invalid, "send", "", "", bad.bytes), g.expect(abi.Invalid, "comment", bad.bytes),
					g.expect(abi.Invalid, "log", 1, bad.bytes), g.expect(abi.Invalid, "publish", bad.bytes, "", "", ""),
					g.expect(abi.Invalid, "publish", "out", bad.bytes, "", ""), g.expect(abi.Invalid, "kvPut", bad.bytes, "", 0),
					g.expect(abi.Invalid, "kvGet", bad.bytes, span{}), g.expect(abi.Invalid, "kvDelete", bad.bytes), g.survive())
			},
			sees: survived,
		})
	}
	return append(attacks, names()...)
}

// names are of things that are not the guest's.
func names() []attack {
	var attacks []attack
	for _, subject := range []string{">", "a.*", "a..b", ".", "a b", "a\x00b", "a\nb", "a\tPUB b 1\r\nx"} {
		attacks = append(attacks, attack{
			name:  fmt.Sprintf("publishing to the subject %q", subject),
			guest: func(g *guest) { g.stream(g.expect(abi.Invalid, "publish", subject, "x", "", ""), g.survive()) },
			sees:  survived,
		})
	}
	return append(attacks, []attack{
		{
			name: "keys that mean something to the store",
			guest: func(g *guest) {
				var code []byte
				for _, key := range []string{">", "*", "a.>", "..", "a..b", ".a", "/../x", "a\x00b", "a\nb", "a b", "$KV.x", strings.Repeat("k", abi.MaxKeyBytes)} {
					code = cat(code, g.ignore("kvPut", key, "v", 0), g.ignore("kvGet", key, span{0, 64}), g.ignore("kvDelete", key))
				}
				g.stream(code, g.expect(abi.Invalid, "kvPut", "", "v", 0), g.expect(abi.Invalid, "kvPut", "k", "v", -1), g.survive())
			},
			sees: survived,
		},
		{
			name: "NUL in ids, names and data",
			guest: func(g *guest) {
				g.stream(g.expect(abi.Invalid, "send", "x", "", "a\x00b"), g.ignore("send", "x", "a\x00b", ""),
					g.expect(abi.OK, "send", "\x00", "", ""), g.survive())
			},
			sees: survived,
		},
		{
			name: "log lines with line breaks, NUL and a terminal's escapes",
			guest: func(g *guest) {
				g.stream(g.expect(abi.OK, "log", 3, "first\r\n\x00\x1b[2Jlevel=ERROR msg=forged\nlast"), g.expect(abi.Invalid, "log", 4, "x"),
					g.expect(abi.Invalid, "log", -1, "x"), g.survive())
			},
			sees:  survived,
			never: `forged`,
			log:   `"text":"last"`,
		},
		{
			name: "events that are named as the platform's own",
			guest: func(g *guest) {
				g.stream(g.ignore("send", "{}", "gap", ""), g.ignore("send", "{}", "reset", ""), g.survive())
			},
			sees: survived,
		},
		{
			name: "a function whose name has line breaks, which traps",
			guest: func(g *guest) {
				f := g.Func(":", "", op.Unreachable)
				g.stream(op.Call(f))
				name := module.Name("x\n\ndata: " + injected + "\n\n\x1b[2J")
				functions := cat([]byte{1}, op.U32(uint64(f)), name)
				g.Trailing(module.Custom("name", []byte{1}, op.U32(uint64(len(functions))), functions))
			},
			fails: `unreachable`,
			never: "^" + injected,
			log:   `unreachable`,
		},
		{
			name: "a function whose name is no UTF-8, which traps",
			guest: func(g *guest) {
				f := g.Func(":", "", op.Unreachable)
				g.stream(op.Call(f))
				functions := cat([]byte{1}, op.U32(uint64(f)), module.Name("\xff\xfe\x00"))
				g.Trailing(module.Custom("name", []byte{1}, op.U32(uint64(len(functions))), functions))
			},
			fails: `unreachable`,
			log:   `unreachable`,
		},
		{
			name: "texts of nothing but line breaks",
			guest: func(g *guest) {
				g.pages = 20
				g.stream(op.Const32(large), op.Const32('\n'), op.Const32(1<<20), op.MemoryFill,
					op.Times(1, 3, g.expect(abi.OK, "send", span{large, 1 << 20}, "", ""), g.expect(abi.OK, "comment", span{large, 1 << 20})), g.survive())
			},
			sees: survived,
		},
	}...)
}
