//go:build linux

package hostile

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/op"
)

// anywhere is a tenant that may reach every host.
var anywhere = map[string]any{"outbound": []string{"*"}}

// opens are guests that reach for what is outside. The remote is one that they may reach.
func opens(remote string) []attack {
	var attacks []attack
	for name, document := range map[string]string{
		"no document":                     "",
		"half of one":                     `{"url":"` + remote,
		"two documents":                   `{"url":"` + remote + `/some"} {}`,
		"one with a field nobody knows":   `{"url":"` + remote + `/some","proxy":"x"}`,
		"one whose fields have no sense":  `{"url":7,"headers":[1],"timeout":"long"}`,
		"one with times below zero":       `{"url":"` + remote + `/some","timeout":-1}`,
		"one with times beyond all":       `{"url":"` + remote + `/some","timeout":9223372036854775807}`,
		"one without a URL":               `{"method":"GET"}`,
		"one with NUL in its URL":         `{"url":"http://a\u0000b/"}`,
		"one with a line break in a URL":  `{"url":"http://a/\r\nHost: b"}`,
		"a file":                          `{"url":"file:///etc/passwd"}`,
		"a socket":                        `{"url":"unix:///run/docker.sock"}`,
		"a body with GET":                 `{"url":"` + remote + `/some","body":"x"}`,
		"a method nobody knows":           `{"url":"` + remote + `/some","method":"CONNECT"}`,
		"a header with a line break":      `{"url":"` + remote + `/some","headers":{"a":"b\r\nc: d"}}`,
		"a header whose name has a break": `{"url":"` + remote + `/some","headers":{"a\nb":"c"}}`,
		"an array in arrays":              strings.Repeat("[", 50_000),
		"a body of arrays in arrays":      `{"url":"` + remote + `/some","method":"POST","body":` + strings.Repeat("[", 50_000) + "}",
		"no UTF-8":                        "{\"url\":\"\xff\"}",
	} {
		attacks = append(attacks, attack{
			name:   "opens " + name,
			tenant: anywhere,
			guest:  func(g *guest) { g.stream(g.expect(abi.Invalid, "open", document), g.survive()) },
			sees:   survived,
		})
	}
	for _, url := range []string{
		"http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/", "http://0.0.0.0/",
		"http://[::]/", "http://224.0.0.1/", "http://255.255.255.255/", "http://100.100.100.200/", "http://[fd00:ec2::254]/",
		"http://[64:ff9b::a9fe:a9fe]/", remote + "/metadata",
	} {
		attacks = append(attacks, attack{
			name:   "opens " + strings.ReplaceAll(url, remote, "what leads to metadata by a redirect: "),
			tenant: anywhere,
			guest:  func(g *guest) { g.stream(g.expect(abi.Denied, "open", request(url)), g.survive()) },
			sees:   survived,
		})
	}
	return append(attacks, slices.Concat(handles(remote), remotes(remote))...)
}

// request is a document that opens a URL.
func request(url string) string { return fmt.Sprintf(`{"url":%q}`, url) }

// handles are guests that misuse what open gives.
func handles(remote string) []attack {
	quiet := request(remote + "/quiet")
	return []attack{
		{
			name:  "opens a host that the tenant may not reach",
			guest: func(g *guest) { g.stream(g.expect(abi.Denied, "open", quiet), g.survive()) },
			sees:  survived,
		},
		{
			name:   "opens a document of a megabyte, and one of a byte too many",
			tenant: anywhere,
			guest: func(g *guest) {
				g.pages = 20
				g.stream(op.Const32(large), op.Const32(' '), op.Const32(1<<20+1), op.MemoryFill,
					g.expect(abi.Invalid, "open", span{large, 1 << 20}),
					g.expect(abi.TooBig, "open", span{large, 1<<20 + 1}), g.survive())
			},
			sees: survived,
		},
		{
			name:   "opens more streams than it may have",
			tenant: anywhere,
			guest: func(g *guest) {
				g.stream(op.Times(0, 8, g.use("open", quiet), op.Const32(1), op.LessSigned, op.If(op.Unreachable)),
					op.Times(0, 1000, g.expect(abi.Limit, "open", quiet)), g.survive())
			},
			viewers: 4,
			sees:    survived,
		},
		{
			name:   "opens and ends streams until it is told to wait, and goes on",
			tenant: anywhere,
			guest: func(g *guest) {
				g.stream(op.Times(0, 10_000, g.use("open", quiet), op.Tee(1), op.Const32(0), op.LessSigned,
					op.If(op.Get(1), must(int32(abi.Limit)), op.Else, op.Get(1), op.Call(g.functions["end"].index), op.Drop)), g.survive())
			},
			viewers: 1,
			sees:    survived,
		},
		{
			name:   "traps with streams open",
			tenant: anywhere,
			guest:  func(g *guest) { g.stream(op.Times(0, 8, g.ignore("open", quiet)), op.Unreachable) },
			fails:  `unreachable`,
			log:    `unreachable`,
		},
		{
			name:   "never returns with streams open",
			tenant: anywhere,
			guest:  func(g *guest) { g.stream(op.Times(0, 8, g.ignore("open", quiet)), op.Forever()) },
			fails:  pastSlice,
			log:    pastSlice,
		},
		{
			name:   "handles that nobody gave, and handles that were given back",
			tenant: anywhere,
			guest: func(g *guest) {
				var code []byte
				for _, handle := range []int{-1, 2, 9, math.MaxInt32, math.MinInt32} {
					code = cat(code, g.expect(abi.NotFound, "receive", handle, span{0, 64}, 0),
						g.expect(abi.NotFound, "response", handle, span{0, 64}), g.expect(abi.NotFound, "end", handle))
				}
				g.stream(g.use("open", quiet), must(1), code,
					g.expect(abi.NotFound, "end", 0), g.expect(abi.NotFound, "response", 0, span{0, 64}),
					g.expect(abi.Timeout, "receive", 1, span{0, 64}, 0),
					g.expect(abi.OK, "end", 1), g.expect(abi.NotFound, "end", 1),
					g.expect(abi.NotFound, "receive", 1, span{0, 64}, -1), g.expect(abi.NotFound, "response", 1, span{0, 64}),
					g.use("open", quiet), must(2), g.survive())
			},
			sees: survived,
		},
		{
			name:   "asks for a response with buffers that are too small, for ever",
			tenant: anywhere,
			guest: func(g *guest) {
				g.stream(g.use("open", quiet), must(1), op.Times(0, 100_000, g.use("response", 1, span{0, 1}), op.Const32(2), op.LessSigned, op.If(op.Unreachable)),
					g.survive())
			},
			sees: survived,
		},
		{
			name:   "opens a stream for each of fifty events, and keeps it",
			tenant: anywhere,
			guest:  func(g *guest) { g.event(g.ignore("open", request(remote+"/some"))) },
			events: 50,
			sees:   nameOf(49),
		},
	}
}

// remotes are what answers a guest that opens it.
func remotes(remote string) []attack {
	reads := func(path string, code func(*guest) []byte) func(*guest) {
		return func(g *guest) {
			g.pages = 40
			g.stream(g.use("open", request(remote+path)), must(1), code(g))
		}
	}
	into := span{large, 1<<20 + 1<<10}
	next := func(g *guest) []byte { return g.use("receive", 1, into, -1) }
	negative := cat(op.Const32(0), op.LessSigned, op.Eqz, op.If(op.Unreachable))
	attacks := []attack{
		{
			name:   "reads events without end",
			tenant: anywhere,
			guest:  reads("/endless", func(g *guest) []byte { return op.Forever(next(g), op.Drop) }),
			soon:   true,
		},
		{
			name:   "reads megabytes without end",
			tenant: anywhere,
			guest:  reads("/megabytes", func(g *guest) []byte { return op.Forever(next(g), op.Drop) }),
			soon:   true,
		},
		{
			name:   "reads megabytes into buffers that are too small, for ever",
			tenant: anywhere,
			guest: reads("/megabytes", func(g *guest) []byte {
				return cat(op.Times(0, 10_000, g.use("receive", 1, span{0, 8}, -1), op.Const32(9), op.LessSigned, op.If(op.Unreachable)), g.survive())
			}),
			sees: survived,
		},
		{
			name:   "lets a remote write that it does not read",
			tenant: anywhere,
			guest:  reads("/megabytes", func(g *guest) []byte { return g.expect(abi.Closed, "sleep", 1<<40) }),
			soon:   true, viewers: 20,
		},
		{
			name:   "reads comments without end, and no event",
			tenant: anywhere,
			guest:  reads("/comments", func(g *guest) []byte { return cat(next(g), negative) }),
			soon:   true,
		},
		{
			name:   "waits for ever for events that do not come",
			tenant: anywhere,
			guest:  reads("/quiet", func(g *guest) []byte { return g.expect(abi.Closed, "receive", 1, into, -1) }),
			soon:   true,
		},
		{
			name:   "waits for ever for an answer that does not come",
			tenant: anywhere,
			guest:  func(g *guest) { g.stream(g.expect(abi.Closed, "open", request(remote+"/silent"))) },
			soon:   true,
		},
		{
			name:   "waits in onEvent for an answer that does not come",
			tenant: anywhere,
			guest:  func(g *guest) { g.event(g.ignore("open", request(remote+"/silent"))) },
			events: 1,
			sees:   nameOf(0), // once the event's time is up
		},
	}
	for path, name := range map[string]string{"/line": "a line without end", "/fields": "an event without end", "/zeros": "a few bytes that become gigabytes"} {
		attacks = append(attacks, attack{
			name:   "reads " + name,
			tenant: anywhere,
			guest:  reads(path, func(g *guest) []byte { return cat(next(g), negative, next(g), negative, g.survive()) }),
			sees:   survived,
		})
	}
	for path, name := range map[string]string{"/round": "what redirects to itself", "/file": "what redirects to a file", "/headers": "sixteen megabytes of headers"} {
		attacks = append(attacks, attack{
			name:   "opens " + name,
			tenant: anywhere,
			guest:  func(g *guest) { g.stream(g.use("open", request(remote+path)), negative, g.survive()) },
			sees:   survived,
		})
	}
	return append(attacks, attack{
		name:   "reads an error whose text has no end",
		tenant: anywhere,
		guest:  reads("/error", func(g *guest) []byte { return cat(next(g), negative, g.survive()) }),
		sees:   survived,
	})
}
