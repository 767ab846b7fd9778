package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

// TestStatuses makes host functions answer every status that they can give.
func TestStatuses(t *testing.T) {
	full := strings.Repeat("x", 64)
	big := full + "x"
	name := strings.Repeat("n", abi.MaxNameBytes+1)
	key := strings.Repeat("k", abi.MaxKeyBytes+1)
	failed := func(err error) func(*stage) {
		return func(s *stage) { s.viewer.err, s.tenant.err = fmt.Errorf("wrapped: %w", err), err }
	}
	for _, tt := range []struct {
		name     string
		callback string
		config   host.Config
		uses     []use
		prepare  func(*stage)
		want     []int32
	}{
		{name: "send emits", uses: []use{{"send", []any{"a", "b", "c"}}}, want: []int32{0}},
		{name: "send after close is CLOSED", uses: []use{{"close", nil}, {"send", []any{"a", "", ""}}}, want: []int32{0, -1}},
		{name: "send to a viewer who left is CLOSED", uses: []use{{"send", []any{"a", "", ""}}}, prepare: failed(abi.Closed), want: []int32{-1}},
		{name: "send of too much data is TOO_BIG", uses: []use{{"send", []any{big, "", ""}}}, want: []int32{-3}},
		{name: "send of a long name is TOO_BIG", uses: []use{{"send", []any{"", name, ""}}}, want: []int32{-3}},
		{name: "send of a long id is TOO_BIG", uses: []use{{"send", []any{"", "", name}}}, want: []int32{-3}},
		{name: "send of bytes that are no text is INVALID", uses: []use{{"send", []any{"\xff", "", ""}}}, want: []int32{-4}},
		{name: "send of a line break in a name is INVALID", uses: []use{{"send", []any{"", "a\nb", ""}}}, want: []int32{-4}},
		{name: "send of a NUL in an id is INVALID", uses: []use{{"send", []any{"", "", "a\x00"}}}, want: []int32{-4}},
		{name: "an error without status is UNAVAILABLE", uses: []use{{"send", []any{"a", "", ""}}}, prepare: failed(errors.New("broken")), want: []int32{-8}},
		{name: "an error with a status that is none is UNAVAILABLE", uses: []use{{"send", []any{"a", "", ""}}}, prepare: failed(abi.OK), want: []int32{-8}},
		{name: "a quota is LIMIT", uses: []use{{"send", []any{"a", "", ""}}}, prepare: failed(abi.Limit), want: []int32{-5}},

		{name: "comment emits", uses: []use{{"comment", []any{"a\nb"}}}, want: []int32{0}},
		{name: "comment after close is CLOSED", uses: []use{{"close", nil}, {"comment", []any{"a"}}}, want: []int32{0, -1}},
		{name: "comment of too much is TOO_BIG", uses: []use{{"comment", []any{big}}}, want: []int32{-3}},
		{name: "comment of bytes that are no text is INVALID", uses: []use{{"comment", []any{"\xff"}}}, want: []int32{-4}},
		{name: "comment in an event is UNAVAILABLE", callback: abi.OnEvent, uses: []use{{"comment", []any{"a"}}}, want: []int32{-8}},

		{name: "close once is OK, then CLOSED", uses: []use{{"isClosed", nil}, {"close", nil}, {"close", nil}, {"isClosed", nil}}, want: []int32{0, 0, -1, 1}},
		{name: "sleep of nothing and less is OK", uses: []use{{"sleep", []any{0}}, {"sleep", []any{-5}}, {"sleep", []any{1}}}, want: []int32{0, 0, 0}},
		{name: "sleep after close is CLOSED", uses: []use{{"close", nil}, {"sleep", []any{3600000}}}, want: []int32{0, -1}},
		{name: "sleep in an event is UNAVAILABLE", callback: abi.OnEvent, uses: []use{{"sleep", []any{0}}}, want: []int32{-8}},

		{name: "receive of nothing is TIMEOUT", uses: []use{{"receive", []any{0, 64, 64, 0}}, {"receive", []any{0, 64, 64, 1}}}, want: []int32{-2, -2}},
		{name: "receive after close is CLOSED", uses: []use{{"close", nil}, {"receive", []any{0, 64, 64, -1}}}, want: []int32{0, -1}},
		{name: "receive from an unknown handle is NOT_FOUND", uses: []use{{"receive", []any{1, 64, 64, -1}}, {"receive", []any{-1, 64, 64, 0}}}, want: []int32{-7, -7}},
		{name: "receive keeps an event that does not fit", prepare: queued("hello", "next"),
			uses: []use{{"receive", []any{0, 64, 0, 0}}, {"receive", []any{0, 64, 44, -1}}, {"receive", []any{0, 64, 45, -1}}, {"receive", []any{0, 64, 64, -1}}, {"receive", []any{0, 64, 64, 0}}},
			want: []int32{45, 45, 45, 44, -2}},
		{name: "receive in an event gives it once", callback: abi.OnEvent,
			uses: []use{{"receive", []any{0, 64, 0, -1}}, {"receive", []any{0, 64, 64, -1}}, {"receive", []any{0, 64, 64, -1}}},
			want: []int32{45, 45, -1}},

		{name: "request keeps a document that does not fit", uses: []use{{"request", []any{64, 0}}, {"request", []any{64, 64}}, {"request", []any{64, 64}}}, want: []int32{24, 24, 24}},
		{name: "no body is empty", uses: []use{{"body", []any{64, 0}}}, want: []int32{0}},

		{name: "publish publishes", uses: []use{{"publish", []any{"orders.new", "d", "n", "i"}}}, want: []int32{0}},
		{name: "publish without subject is INVALID", uses: []use{{"publish", []any{"", "d", "", ""}}}, want: []int32{-4}},
		{name: "publish to bytes that are no text is INVALID", uses: []use{{"publish", []any{"\xff", "d", "", ""}}}, want: []int32{-4}},
		{name: "publish of a line break in an id is INVALID", uses: []use{{"publish", []any{"s", "d", "", "a\r"}}}, want: []int32{-4}},
		{name: "publish to a long subject is TOO_BIG", uses: []use{{"publish", []any{key, "d", "", ""}}}, want: []int32{-3}},
		{name: "publish of too much is TOO_BIG", uses: []use{{"publish", []any{"s", big, "", ""}}}, want: []int32{-3}},
		{name: "publish without grant is DENIED", uses: []use{{"publish", []any{"s", "d", "", ""}}}, prepare: failed(abi.Denied), want: []int32{-6}},
		{name: "publish and kvPut of more than the share's in a second are LIMIT", config: host.Config{StoreBytes: 64 + 3*4}, // the results are put, too
			uses: []use{{"publish", []any{"s", full, "", ""}}, {"publish", []any{"s", full, "", ""}}, {"kvPut", []any{"k", full, 0}}}, want: []int32{0, -5, -5}},
		{name: "publish after close goes on", uses: []use{{"close", nil}, {"publish", []any{"s", "d", "", ""}}}, want: []int32{0, 0}},

		{name: "kvPut stores, kvGet gets, kvDelete deletes",
			uses: []use{{"kvPut", []any{"k", "value", 0}}, {"kvGet", []any{"k", 64, 64}}, {"kvDelete", []any{"k"}}, {"kvGet", []any{"k", 64, 64}}},
			want: []int32{0, 5, 0, -7}},
		{name: "kvGet keeps a value that does not fit", prepare: stored("k", "value"),
			uses: []use{{"kvGet", []any{"k", 64, 0}}, {"kvGet", []any{"k", 64, 4}}, {"kvGet", []any{"k", 64, 5}}}, want: []int32{5, 5, 5}},
		{name: "kvGet gets what was put in between", prepare: stored("k", "value"),
			uses: []use{{"kvGet", []any{"k", 64, 0}}, {"kvPut", []any{"k", "v", 0}}, {"kvGet", []any{"k", 64, 9}}, {"kvGet", []any{"k", 64, 0}}, {"kvDelete", []any{"k"}}, {"kvGet", []any{"k", 64, 9}}},
			want: []int32{5, 0, 1, 1, 0, -7}},
		{name: "kvGet of a value over the limit is TOO_BIG", prepare: stored("k", big), uses: []use{{"kvGet", []any{"k", 64, 0}}}, want: []int32{-3}},
		{name: "a key that is none is INVALID", uses: []use{{"kvGet", []any{"", 64, 0}}, {"kvPut", []any{"\xff", "", 0}}, {"kvDelete", []any{""}}}, want: []int32{-4, -4, -4}},
		{name: "a long key is TOO_BIG", uses: []use{{"kvGet", []any{key, 64, 0}}, {"kvPut", []any{key, "", 0}}, {"kvDelete", []any{key}}}, want: []int32{-3, -3, -3}},
		{name: "a key of the platform's is DENIED", prepare: stored("_source/a", "value"),
			uses: []use{{"kvGet", []any{"_source/a", 64, 64}}, {"kvPut", []any{"_", "v", 0}}, {"kvDelete", []any{"_source/a"}}, {"kvGet", []any{"a_", 64, 64}}},
			want: []int32{-6, -6, -6, -7}},
		{name: "kvPut of too much is TOO_BIG", uses: []use{{"kvPut", []any{"k", big, 0}}}, want: []int32{-3}},
		{name: "kvPut for less than no time is INVALID", uses: []use{{"kvPut", []any{"k", "v", -1}}}, want: []int32{-4}},
		{name: "a store that fails is UNAVAILABLE", prepare: failed(errors.New("down")),
			uses: []use{{"kvGet", []any{"k", 64, 0}}, {"kvPut", []any{"k", "v", 0}}, {"kvDelete", []any{"k"}}}, want: []int32{-8, -8, -8}},

		{name: "log writes at each level", uses: []use{{"log", []any{0, "d"}}, {"log", []any{1, "i"}}, {"log", []any{2, "w"}}, {"log", []any{3, "e"}}}, want: []int32{0, 0, 0, 0}},
		{name: "log at an unknown level is INVALID", uses: []use{{"log", []any{4, "a"}}, {"log", []any{-1, "a"}}}, want: []int32{-4, -4}},
		{name: "log of bytes that are no text is INVALID", uses: []use{{"log", []any{1, "\xff"}}}, want: []int32{-4}},
		{name: "log of too much is TOO_BIG", uses: []use{{"log", []any{1, big}}}, want: []int32{-3}},

		{name: "random fills", uses: []use{{"random", []any{64, 64}}}, want: []int32{0}},
		{name: "random of too much is TOO_BIG", uses: []use{{"random", []any{64, 65}}}, want: []int32{-3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			callback := tt.callback
			if callback == "" {
				callback = abi.OnStream
			}
			tt.config.SendBytes = 64
			s := set(t, tt.config, using(callback, tt.uses...).bytes())
			if tt.prepare != nil {
				tt.prepare(s)
			}
			var err error
			if callback == abi.OnEvent {
				_, err = s.event("hello")
			} else {
				err = s.stream(t.Context())
			}
			if got := s.tenant.reported(); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("results are %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func queued(data ...string) func(*stage) {
	return func(s *stage) {
		for _, d := range data {
			s.viewer.queue <- &abi.Event{Data: d}
		}
	}
}

func stored(key, value string) func(*stage) {
	return func(s *stage) { s.tenant.values[key] = []byte(value) }
}

func TestWhatFunctionsDo(t *testing.T) {
	s := set(t, host.Config{}, using(abi.OnStream,
		use{"send", []any{"data", "name", "id"}},
		use{"comment", []any{"a\nb"}},
		use{"publish", []any{"orders.new", "d", "n", "i"}},
		use{"kvPut", []any{"k", "v", 1500}},
		use{"log", []any{2, "first\nsecond\n"}},
		use{"close", nil},
		use{"close", nil},
	).bytes())
	if err := s.stream(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"sent events", s.viewer.sent, []abi.Event{{Data: "data", Name: "name", ID: "id"}}},
		{"comments", s.viewer.comments, []string{"a\nb"}},
		{"closes", s.viewer.closes, 1},
		{"published events", s.tenant.published, map[string][]abi.Event{"orders.new": {{Data: "d", Name: "n", ID: "i"}}}},
		{"value", string(s.tenant.values["k"]), "v"},
		{"ttl", s.tenant.ttls["k"].Milliseconds(), int64(1500)},
		{"log", s.lines.text(), "WARN first\nWARN second"},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, c.got, c.want)
		}
	}
}

// TestRangesOutsideOfMemory gives every function that takes a range one that is outside of memory.
func TestRangesOutsideOfMemory(t *testing.T) {
	const end = 65536
	for _, f := range abi.Functions {
		for at := 0; at+1 < len(f.Params); at++ {
			if !takesRange(f, at) {
				continue
			}
			for _, bad := range [][2]int{{end, 1}, {end - 1, 2}, {0, end + 1}, {-1, 1}, {-1, -1}, {0, -1}, {1, -1}, {1 << 31, 1 << 31}} {
				t.Run(fmt.Sprintf("%s at %d with %d and %d", f.Name, at, bad[0], bad[1]), func(t *testing.T) {
					args := make([]any, len(f.Params))
					for i := range args {
						args[i] = 0
					}
					args[at], args[at+1] = bad[0], bad[1]
					s := set(t, host.Config{}, using(abi.OnStream, use{f.Name, args}).bytes())
					var trap *host.TrapError
					if err := s.stream(t.Context()); !errors.As(err, &trap) {
						t.Fatalf("error is %v, want a trap", err)
					}
					if !strings.HasPrefix(trap.Reason, f.Name+": ") || !strings.Contains(trap.Reason, "outside of memory") || trap.Stack == "" {
						t.Errorf("trap is %+v", trap)
					}
				})
			}
		}
	}
}

// takesRange tells whether parameters at and at+1 of f are address and length.
func takesRange(f abi.Function, at int) bool {
	first := map[string]int{"receive": 1, "response": 1, "log": 1}[f.Name]
	return at >= first && (at-first)%2 == 0 && f.Params[at] == 'i' && f.Params[at+1] == 'i'
}

func TestHostPanicIsATrapThatTellsNothing(t *testing.T) {
	s := set(t, host.Config{}, using(abi.OnStream, use{"publish", []any{"s", "d", "", ""}}).bytes())
	s.tenant.panics = true
	var trap *host.TrapError
	if err := s.stream(t.Context()); !errors.As(err, &trap) || trap.Reason != "publish: the host failed" {
		t.Fatalf("error is %v, want a trap of publish", err)
	}
	if text := trap.Error() + trap.Stack; strings.Contains(text, "secret") || strings.Contains(text, "goroutine") {
		t.Errorf("trap tells the host's insides: %s", text)
	}
	s.tenant.panics = false
	if err := s.stream(t.Context()); err != nil {
		t.Errorf("the next stream: %v", err)
	}
}

func TestOnlyLogWorksDuringStart(t *testing.T) {
	for _, where := range []string{"start function", abi.Initialize} {
		for _, f := range abi.Functions {
			if f.Name == "log" || f.Result != 'i' {
				continue
			}
			t.Run(f.Name+" in "+where, func(t *testing.T) {
				m := newModule()
				m.imported(f.Name)
				log := m.imported("log")
				args := make([]any, len(f.Params))
				for i := range args {
					args[i] = 0
				}
				// Traps unless the function answers UNAVAILABLE.
				code := slices.Concat(i32(1), m.text("starts"), call(log), drop,
					m.use(use{f.Name, args}), i32(-8), []byte{0x47, 0x04, 0x40, 0x00, 0x0b})
				if where == abi.Initialize {
					m.exportAs(abi.Initialize, ":", code)
				} else {
					m.start = m.function(":", 1, code)
				}
				s := set(t, host.Config{}, m.export(abi.OnStream, i32(0)).bytes())
				if err := s.stream(context.Background()); err != nil {
					t.Fatal(err)
				}
				if got := s.plugin.Info().Output; got != "starts\n" {
					t.Errorf("output is %q", got)
				}
				if got := s.lines.text(); got != "" {
					t.Errorf("a stream, which starts with a snapshot, logged %q", got)
				}
			})
		}
	}
}

// TestWhatGuestsRead compares what a guest finds in its memory with what it was given.
func TestWhatGuestsRead(t *testing.T) {
	session := host.Session{
		Request: abi.Request{Method: "GET", Path: "/quotes/AAPL", Params: map[string]string{"symbol": "AAPL"}, Tenant: "acme", Route: "quotes",
			Principal: &abi.Principal{Subject: "token", Claims: map[string]any{"admin": true}}},
		Body: []byte("a body\x00\xff"),
	}
	document, err := json.Marshal(session.Request)
	if err != nil {
		t.Fatal(err)
	}
	event := abi.Event{Data: "data\n", Name: "name", ID: "7-1", Subject: "quotes.AAPL", Seq: 1 << 40,
		Time: time.UnixMilli(1700000000123), Retry: 5 * time.Second, Replayed: true}
	for _, tt := range []struct {
		name string
		args []any
		want string
	}{
		{"request", []any{64, 1000}, string(document)},
		{"body", []any{64, 1000}, "a body\x00\xff"},
		{"receive", []any{0, 64, 1000, 0}, string(abi.AppendRecord(nil, &event))},
		{"kvGet", []any{"stored", 64, 1000}, "a value\x00\xff"},
	} {
		m := newModule()
		m.imported(tt.name)
		put := m.imported("kvPut")
		m.export(abi.OnStream, m.use(use{tt.name, tt.args}), localSet0,
			m.text("read"), i32(64), localGet0, i64(0), call(put))
		s := set(t, host.Config{}, m.bytes())
		s.tenant.values["stored"] = []byte("a value\x00\xff")
		s.viewer.queue <- &event
		session.Emitter, session.Services = s.viewer, s.tenant
		if err := s.plugin.Stream(t.Context(), session); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := string(s.tenant.values["read"]); got != tt.want {
			t.Errorf("%s gives %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRequestThatCannotBeTold(t *testing.T) {
	s := set(t, host.Config{}, using(abi.OnStream, use{"request", []any{64, 1000}}).bytes())
	session := s.session()
	session.Request.Principal = &abi.Principal{Claims: map[string]any{"no": "JSON", "at": math.NaN()}}
	if err := s.plugin.Stream(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	if got := s.tenant.reported(); !slices.Equal(got, []int32{int32(abi.Unavailable)}) {
		t.Errorf("request answered %v, want UNAVAILABLE", got)
	}
}

func TestEveryFunctionIsThere(t *testing.T) {
	for _, f := range abi.Functions {
		args := make([]any, len(f.Params))
		for i := range args {
			args[i] = 0
		}
		s := set(t, host.Config{}, using(abi.OnStream, use{f.Name, args}).bytes())
		if err := s.stream(t.Context()); err != nil || len(s.tenant.reported()) == 0 {
			t.Errorf("%v: %v", f, err)
		}
	}
}
