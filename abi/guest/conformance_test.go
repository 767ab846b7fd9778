package guest_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

// conformance is the plugin under testdata/conformance, built and prepared by the real host.
func conformance(t *testing.T) *host.Plugin {
	t.Helper()
	file := filepath.Join(t.TempDir(), "conformance.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", file, "./testdata/conformance")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Config{EventTimeout: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(context.Background()) })
	p, err := h.Prepare(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p
}

// TestConformance runs the SDK where it is meant to run: compiled to wasm, in the real host.
func TestConformance(t *testing.T) {
	p := conformance(t)
	if got := p.Info().Exports; !slices.Equal(got, abi.Callbacks) {
		t.Fatalf("exports %v, want each callback of the contract: %v", got, abi.Callbacks)
	}
	var used []string
	for _, f := range abi.Functions {
		used = append(used, f.Name)
	}
	slices.Sort(used)
	if got := p.Info().Imports; !slices.Equal(got, used) {
		t.Fatalf("imports %v, want each function of the contract: %v", got, used)
	}
	t.Run("onStream", func(t *testing.T) { testStreamCases(t, p) })
	t.Run("onEvent", func(t *testing.T) { testEventCases(t, p) })
	t.Run("sources", func(t *testing.T) { testSourceCases(t, p) })
}

func testStreamCases(t *testing.T, p *host.Plugin) {
	long := strings.Repeat("x", 100_000)
	for _, tt := range []struct {
		name   string
		code   abi.Status // that the callback ends with
		sent   []string   // data, then name and id if any
		others []string   // comments, logs, what is published
	}{
		{name: "send", sent: []string{
			"text", `{"n":1} update id-1`, "", "lines\r\nand \x00 bytes, ünïcode",
			"a line break in a name: invalid argument", "bytes that are not UTF-8: invalid argument",
			"too much: over the size limit",
		}},
		{name: "comment", others: []string{"comment two\nlines"}},
		{name: "close", sent: []string{"last"}, others: []string{"close",
			`INFO after close closed=true send="stream has ended" comment="stream has ended" sleep="stream has ended" receive="stream has ended"`}},
		{name: "closed", sent: []string{"false"}},
		{name: "sleep", sent: []string{"sleep: ok"}},
		{name: "receive", sent: []string{
			`a.b "n" "e-1" "short" 7 1700000000123 1500 true false 5`,
			`a.c "" "" "xxxxxxxxxx" 0 1 0 false true 100000`,
			"receive: timed out",
		}},
		{name: "listen", sent: []string{"short n e-1", long}},
		{name: "request", sent: []string{`{"method":"GET","query":{"case":["request"]},"tenant":"acme","route":"r"}`}},
		{name: "body", sent: []string{"the body"}},
		{name: "publish", sent: []string{"publish: ok", "publish to a pattern: invalid argument"},
			others: []string{"publish out.a [1,2] n i"}},
		{name: "kv", sent: []string{
			"get before: not found", "put: ok", "get: ok", `value: "value \xff"`, "delete: ok", "get after: not found",
			"put with a long key: over the size limit",
		}},
		{name: "log", others: []string{"DEBUG debug n=1", "INFO info", `WARN warn words="two words"`, "ERROR error"}},
		{name: "now", sent: []string{"true"}},
		{name: "random", sent: []string{"true"}},
		{name: "remotes", sent: []string{
			"open without a URL: open remote stream: invalid argument", "open what is denied: open remote stream: not granted", "receive: timed out",
			"https://remote.example/a: 200 there", "end: ok", "receive after end: not found", "response of a route: not found", "end twice: not found",
		}, others: []string{
			`open {"url":"https://denied.example/"}`,
			`open {"url":"https://remote.example/a","method":"POST","headers":{"X-Key":"{{secret.key}}"},"body":{"n":1},"sse":true,"lastEventId":"7",` +
				`"connectTimeout":1000,"idleTimeout":60000,"timeout":3600000}`,
		}},
		{name: "relay", sent: []string{"8 are open", "short n e-1", long, "remote stream: reset by the remote"},
			others: slices.Repeat([]string{`open {"url":"https://remote.example/relay"}`}, 8)},
		{name: "print", others: []string{"INFO to standard output"}},
		{name: "error", code: abi.Limit, others: []string{"ERROR wrapped: quota or rate is used up"}},
		{name: "unheard-of", code: abi.NotFound, others: []string{`ERROR case "unheard-of": not found`}},
	} {
		r := &recorder{events: []abi.Event{
			{Data: "short", Name: "n", ID: "e-1", Subject: "a.b", Seq: 7, Time: time.UnixMilli(1700000000123),
				Retry: 1500 * time.Millisecond, Replayed: true},
			{Data: long, Subject: "a.c", Time: time.UnixMilli(1), EmptyID: true},
		}, ends: tt.name == "listen"}
		err := p.Stream(t.Context(), r.session(tt.name))
		var failed *host.CallbackError
		if errors.As(err, &failed) != (tt.code != abi.OK) || failed != nil && failed.Code != int32(tt.code) {
			t.Errorf("%s: ended with %v, want code %d", tt.name, err, tt.code)
		}
		if !slices.Equal(r.sent, tt.sent) {
			t.Errorf("%s: sent %.300q, want %.300q", tt.name, r.sent, tt.sent)
		}
		if !slices.Equal(r.others, tt.others) {
			t.Errorf("%s: did %q, want %q", tt.name, r.others, tt.others)
		}
		if r.open != 0 {
			t.Errorf("%s: %d remote streams are left open", tt.name, r.open)
		}
	}
	t.Run("a panic is told to the log", func(t *testing.T) {
		r := &recorder{}
		var trap *host.TrapError
		if err := p.Stream(t.Context(), r.session("panic")); !errors.As(err, &trap) {
			t.Errorf("ended with %v, want a trap", err)
		}
		if !slices.ContainsFunc(r.others, func(line string) bool { return strings.HasSuffix(line, " panic: as asked") }) {
			t.Errorf("log %q, want the panic", r.others)
		}
	})
	for _, name := range []string{"wait", "go-sleep"} {
		t.Run("the end of the stream ends "+name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			if err := p.Stream(ctx, (&recorder{}).session(name)); err != nil {
				t.Errorf("ended with %v, want an orderly end", err)
			}
		})
	}
}

func testEventCases(t *testing.T, p *host.Plugin) {
	for _, tt := range []struct {
		data string
		want host.Outcome
		code abi.Status
	}{
		{"pass", host.Outcome{Pass: true}, abi.OK},
		{"drop", host.Outcome{}, abi.OK},
		{"replace", host.Outcome{Outputs: []abi.Event{{Data: "one"}, {Data: "two", Name: "n", ID: "i"}}}, abi.OK},
		{"before", host.Outcome{Pass: true, Outputs: []abi.Event{{Data: "before"}}}, abi.OK},
		{"block", host.Outcome{Outputs: []abi.Event{
			{Data: "sleep: not possible here or now"}, {Data: "comment: not possible here or now"},
			{Data: "receive again: stream has ended"},
		}}, abi.OK},
		{"error", host.Outcome{}, abi.Denied},
		{strings.Repeat("x", 50_000), host.Outcome{Outputs: []abi.Event{{Data: "50000 bytes on a.b"}}}, abi.OK},
	} {
		r := &recorder{}
		got, err := p.Event(t.Context(), r.session(), &abi.Event{Data: tt.data, Subject: "a.b"})
		var failed *host.CallbackError
		if errors.As(err, &failed) != (tt.code != abi.OK) || failed != nil && failed.Code != int32(tt.code) {
			t.Errorf("%.20s: ended with %v, want code %d", tt.data, err, tt.code)
		}
		if got.Pass != tt.want.Pass || !slices.Equal(got.Outputs, tt.want.Outputs) {
			t.Errorf("%.20s: %+v, want %+v", tt.data, got, tt.want)
		}
	}
}
