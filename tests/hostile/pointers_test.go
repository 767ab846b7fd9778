//go:build linux

package hostile

import (
	"fmt"
	"math"
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/op"
)

// pointers give the host's functions ranges that are not in memory.
func pointers() []attack {
	var attacks []attack
	for _, wrong := range []struct {
		name  string
		where span
	}{
		{"one byte behind memory", span{2 << 16, 1}},
		{"a range that begins in memory and ends behind it", span{2<<16 - 1, 2}},
		{"a range whose end overflows", span{1 << 16, math.MaxUint32}},
		{"the last byte of all addresses", span{math.MaxUint32, 1}},
	} {
		attacks = append(attacks, attack{
			name:  "send of " + wrong.name,
			guest: func(g *guest) { g.stream(g.ignore("send", wrong.where, "", "")) },
			fails: `outside of memory`,
			log:   `send: \d+ bytes at \d+ are outside of memory`,
		})
	}
	outside := span{2<<16 - 8, 9}
	for _, call := range []struct {
		function string
		args     []any
	}{
		{"send", []any{"data", outside, ""}},
		{"send", []any{"data", "", outside}},
		{"comment", []any{outside}},
		{"receive", []any{0, outside, 0}},
		{"request", []any{outside}},
		{"body", []any{outside}},
		{"publish", []any{outside, "", "", ""}},
		{"publish", []any{"a", outside, "", ""}},
		{"publish", []any{"a", "", outside, ""}},
		{"publish", []any{"a", "", "", outside}},
		{"kvGet", []any{outside, span{0, 8}}},
		{"kvGet", []any{"key", outside}},
		{"kvPut", []any{outside, "", 0}},
		{"kvPut", []any{"key", outside, 0}},
		{"kvDelete", []any{outside}},
		{"log", []any{1, outside}},
		{"random", []any{outside}},
		{"open", []any{outside}},
		{"response", []any{0, outside}},
	} {
		attacks = append(attacks, attack{
			name:  fmt.Sprintf("%s with a range outside of memory, which is %s", call.function, place(call.args)),
			guest: func(g *guest) { g.stream(g.ignore(call.function, call.args...)) },
			fails: `outside of memory`,
			log:   call.function + `: 9 bytes at \d+ are outside of memory`,
		})
	}
	return append(attacks, lengths()...)
}

// place says which of the arguments is a span.
func place(args []any) string {
	for i, arg := range args {
		if s, ok := arg.(span); ok && s.length == 9 {
			return [...]string{"the first", "the second", "the third", "the fourth"}[i]
		}
	}
	return "none"
}

// lengths are ranges in memory that are longer than they may be, and memory that changes under a
// call.
func lengths() []attack {
	const mebibyte = 1 << 20
	return []attack{
		{
			name: "a send of all of its memory",
			guest: func(g *guest) {
				g.pages = mostPages
				g.stream(g.expect(abi.TooBig, "send", span{0, mostPages << 16}, "", ""), g.survive())
			},
			sees: survived,
		},
		{
			name: "a send of one byte too many, and then of as many as may be",
			guest: func(g *guest) {
				g.pages = 20
				g.stream(op.Const32(large), op.Const32('x'), op.Const32(mebibyte+1), op.MemoryFill,
					g.expect(abi.TooBig, "send", span{large, mebibyte + 1}, "", ""),
					g.expect(abi.OK, "send", span{large, mebibyte}, "", ""), g.survive())
			},
			sees: survived,
		},
		{
			name: "comments, logs, values and random bytes of more than may be",
			guest: func(g *guest) {
				g.pages = 40
				tooLong := span{large, mebibyte + 1}
				g.stream(
					g.expect(abi.TooBig, "comment", tooLong), g.expect(abi.TooBig, "log", 1, tooLong),
					g.expect(abi.TooBig, "kvPut", "key", tooLong, 0), g.expect(abi.TooBig, "random", tooLong),
					g.expect(abi.TooBig, "kvPut", tooLong, "", 0), g.expect(abi.TooBig, "kvGet", tooLong, span{}),
					g.expect(abi.TooBig, "kvDelete", tooLong), g.expect(abi.TooBig, "publish", tooLong, "", "", ""),
					g.expect(abi.TooBig, "publish", "a", tooLong, "", ""), g.survive())
			},
			sees: survived,
		},
		{
			name: "names and ids of more than may be",
			guest: func(g *guest) {
				long := strings.Repeat("n", abi.MaxNameBytes+1)
				g.stream(
					g.expect(abi.TooBig, "send", "", long, ""), g.expect(abi.TooBig, "send", "", "", long),
					g.expect(abi.TooBig, "publish", "a", "", long, ""), g.expect(abi.TooBig, "publish", "a", "", "", long),
					g.expect(abi.OK, "send", "", long[1:], long[1:]), g.survive())
			},
			sees: survived,
		},
		{
			name: "a buffer that overlaps what is read into it",
			guest: func(g *guest) {
				key := g.text("key")
				g.stream(g.expect(abi.OK, "kvPut", cat(key, key, op.Const64(0))), must3(g, key), g.survive())
			},
			sees: survived,
		},
		{
			name: "ranges of no bytes anywhere",
			guest: func(g *guest) {
				nothing := span{math.MaxUint32, 0}
				g.stream(g.expect(abi.OK, "send", nothing, nothing, nothing), g.expect(abi.OK, "comment", nothing),
					g.expect(abi.OK, "random", nothing), g.expect(abi.Invalid, "kvGet", nothing, nothing),
					g.use("request", nothing), op.Const32(1), op.LessSigned, op.If(op.Unreachable), g.survive())
			},
			sees: survived,
		},
		{
			name: "WASI with ranges outside of memory",
			guest: func(g *guest) {
				const fault = 21 // errno of WASI
				g.Data(512, []byte("\x00\x00\x00\x7f\xff\xff\xff\x7f"))
				g.stream(
					g.use("random_get", span{2 << 16, 1}), must(fault),
					g.use("random_get", span{1, math.MaxUint32}), must(fault),
					g.use("clock_time_get", 0, 0, -1), must(fault),
					g.use("fd_write", 1, -8, 1, 0), must(fault),
					g.use("fd_write", 1, 512, 1, 0), must(fault),
					g.use("fd_write", 1, 512, -1, 0), must(fault),
					g.survive())
			},
			sees: survived,
		},
		{
			name:  "a wait by WASI for more than memory holds",
			guest: func(g *guest) { g.stream(g.ignore("poll_oneoff", 0, 0, 1<<30, 0)) },
			fails: `out of range`,
			log:   `out of range`,
		},
		{
			name: "handles of streams that were never opened",
			guest: func(g *guest) {
				g.stream(g.expect(abi.NotFound, "receive", 7, span{0, 8}, 0), g.expect(abi.NotFound, "receive", -1, span{0, 8}, 0),
					g.ignore("end", -1), g.ignore("response", 1<<30, span{0, 8}), g.survive())
			},
			sees: survived,
		},
	}
}

// must3 reads the value of a key over the key itself, which is its three bytes.
func must3(g *guest, key []byte) []byte { return cat(g.use("kvGet", cat(key, key)), must(3)) }
