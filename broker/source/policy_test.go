package source_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

func body(events ...abi.Event) []byte { return sourcetest.Stream(events) }

var (
	one      = abi.Event{Data: "one", ID: "1"}
	two      = abi.Event{Data: "two", ID: "2"}
	doneMark = abi.Event{Data: "[DONE]"}
	finished = sourcetest.Reply{Body: body(two, doneMark)}
	quiet    = sourcetest.Reply{Body: []byte(":\n"), Trickle: 1, Pause: 40 * time.Second}
	gone     = sourcetest.Reply{Status: http.StatusNoContent}
)

func status(code int, header ...string) sourcetest.Reply {
	r := sourcetest.Reply{Status: code, Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte("the reason")}
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = header[i+1]
	}
	return r
}

func post(c source.Config) source.Config {
	c.Method = "POST"
	c.Body = []byte(`{"prompt":"hello"}`)
	return c
}

func with(change func(c *source.Config)) source.Config {
	c := config()
	change(&c)
	return c
}

func TestHowASourceEnds(t *testing.T) {
	for _, tt := range []struct {
		name     string
		config   source.Config
		replies  []sourcetest.Reply
		state    source.State
		requests int
		err      error  // that it wraps
		text     string // that it has
	}{
		{"the end mark ends it", config(), []sourcetest.Reply{finished}, source.Done, 1, nil, ""},
		{"what follows the mark does not count", config(), []sourcetest.Reply{{Body: body(doneMark, one)}}, source.Done, 1, nil, ""},
		{"a mark may be an event's name", with(func(c *source.Config) { c.Done = new("message_stop") }),
			[]sourcetest.Reply{{Body: body(sourcetest.Anthropic("a b")...)}}, source.Done, 1, nil, ""},
		{"without a mark it was interrupted, and comes back", config(), []sourcetest.Reply{{Body: body(one)}, finished}, source.Done, 2, nil, ""},
		{"unless the mark is none", with(func(c *source.Config) { c.Done = new("") }), []sourcetest.Reply{{Body: body(one)}}, source.Done, 1, nil, ""},
		{"lines need no mark", config(), []sourcetest.Reply{{Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte("a\nb")}}, source.Done, 1, nil, ""},
		{"unless one is set", with(func(c *source.Config) { c.Done = new("c") }), []sourcetest.Reply{
			{Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte("a\nb")},
			{Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte("b\nc")}}, source.Done, 2, nil, ""},
		{"204 ends it", config(), []sourcetest.Reply{{Body: body(one)}, gone}, source.Done, 2, nil, ""},
		{"204 ends it also where done restarts", with(func(c *source.Config) { c.OnDone = "restart" }), []sourcetest.Reply{finished, gone}, source.Done, 2, nil, ""},
		{"404 fails it with its text", config(), []sourcetest.Reply{status(404)}, source.Failed, 1, nil, "status 404 Not Found: the reason"},
		{"429 and 503 wait", config(), []sourcetest.Reply{status(429), status(503), finished}, source.Done, 3, nil, ""},
		{"so do 500 and 502", config(), []sourcetest.Reply{status(500), status(502), finished}, source.Done, 3, nil, ""},
		{"attempts are bounded", with(func(c *source.Config) { c.Retry.Attempts = 3 }), []sourcetest.Reply{status(500), status(500), status(500)}, source.Failed, 3, nil, "3 attempts in a row"},
		{"an event begins them anew", with(func(c *source.Config) { c.Retry.Attempts = 2 }),
			[]sourcetest.Reply{status(500), {Body: body(one)}, status(500), {Body: body(one)}, finished}, source.Done, 5, nil, ""},
		{"so does a long quiet stream", with(func(c *source.Config) { c.Retry.Attempts = 2 }),
			[]sourcetest.Reply{quiet, quiet, quiet, finished}, source.Done, 4, nil, ""},
		{"a POST is refused and repeated", post(config()), []sourcetest.Reply{status(429), status(503), status(529), finished}, source.Done, 4, nil, ""},
		{"a POST that may have been acted upon is not", post(config()), []sourcetest.Reply{status(502), finished}, source.Failed, 1, source.ErrSent, "502"},
		{"nor one that was interrupted", post(config()), []sourcetest.Reply{{Body: body(one)}, finished}, source.Failed, 1, source.ErrInterrupted, ""},
		{"nor one that was cut", post(config()), []sourcetest.Reply{{Body: body(one), Cut: new(3)}, finished}, source.Failed, 1, source.ErrSent, ""},
		{"nor one without an answer", post(with(func(c *source.Config) { c.ConnectTimeout = 100 })), []sourcetest.Reply{{Late: time.Second}, finished}, source.Failed, 1, source.ErrNoHeaders, ""},
		{"unless repeatPost", post(with(func(c *source.Config) { c.Retry.RepeatPost = true })), []sourcetest.Reply{{Body: body(one)}, status(502), finished}, source.Done, 3, nil, ""},
		{"a secret that is not there fails it", with(func(c *source.Config) { c.Headers = map[string]string{"X": "{{secret.none}}"} }), nil, source.Failed, 0, source.ErrNoSecret, ""},
		{"an encoding not asked for fails it", config(), []sourcetest.Reply{{Header: map[string]string{"Content-Encoding": "compress"}}}, source.Failed, 1, nil, "compress"},
		{"an error event is an event; without the mark it was interrupted", with(func(c *source.Config) { c.Done, c.Retry.Attempts = new("message_stop"), 1 }),
			[]sourcetest.Reply{{Body: body(sourcetest.Anthropic("a")[0], sourcetest.Overloaded)}, status(404)}, source.Failed, 2, nil, "404"},
		{"silence is noticed", with(func(c *source.Config) { c.IdleTimeout = 5000 }), []sourcetest.Reply{{Body: body(one), Stall: new(100)}, status(400)}, source.Failed, 2, nil, "400"},
		{"the whole is bounded", post(with(func(c *source.Config) { c.Timeout, c.IdleTimeout = 5000, 1000 })),
			[]sourcetest.Reply{{Body: body(sourcetest.Plain(50)...), Trickle: 4, Pause: 900 * time.Millisecond}}, source.Failed, 1, source.ErrTooLong, ""},
		{"silence is no silence while something comes", with(func(c *source.Config) { c.IdleTimeout = 1000 }),
			[]sourcetest.Reply{{Body: body(one, doneMark), Trickle: 4, Pause: 900 * time.Millisecond}}, source.Done, 1, nil, ""},
	} {
		inBubble(t, sourcetest.Then(append(tt.replies, status(418))...), func(w *world) {
			s, err := w.run(tt.config, source.Callbacks{})
			if s.State != tt.state || (err != nil) != (tt.state == source.Failed) {
				t.Errorf("%s: state %s, error %v", tt.name, s.State, err)
			}
			if n := w.remote.Counts().Connections; n != tt.requests {
				t.Errorf("%s: %d requests, want %d", tt.name, n, tt.requests)
			}
			if tt.err != nil && !errors.Is(err, tt.err) || tt.text != "" && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%s: error %v, want %v %s", tt.name, err, tt.err, tt.text)
			}
		})
	}
}

func TestWhenASourceComesBack(t *testing.T) {
	long := new(time.Date(2000, 1, 1, 0, 1, 40, 0, time.UTC).Format(http.TimeFormat)) // a bubble begins with that year
	for _, tt := range []struct {
		name    string
		config  source.Config
		replies []sourcetest.Reply
		after   time.Duration
	}{
		{"waits double", config(), []sourcetest.Reply{status(500), status(500), status(500), finished}, (1 + 2 + 4) * time.Second},
		{"up to the most", with(func(c *source.Config) { c.Retry.Max = 3000 }), []sourcetest.Reply{status(500), status(500), status(500), status(500), finished}, (1 + 2 + 3 + 3) * time.Second},
		{"an event begins them anew", config(), []sourcetest.Reply{status(500), status(500), {Body: body(one)}, finished}, (1 + 2 + 1) * time.Second},
		{"the remote sets the base", config(), []sourcetest.Reply{{Body: body(abi.Event{Retry: 10 * time.Second, ID: "1"})}, status(500), finished}, (10 + 20) * time.Second},
		{"Retry-After in seconds", config(), []sourcetest.Reply{status(429, "Retry-After", "30"), finished}, 30 * time.Second},
		{"Retry-After as a date", config(), []sourcetest.Reply{status(503, "Retry-After", *long), finished}, 100 * time.Second},
		{"done restarts", with(func(c *source.Config) { c.OnDone = "restart" }), []sourcetest.Reply{finished, finished, gone}, 2 * time.Second},
	} {
		inBubble(t, sourcetest.Then(tt.replies...), func(w *world) {
			s, err := w.run(tt.config, source.Callbacks{})
			if took := time.Since(w.began); err != nil || s.State != source.Done || took != tt.after {
				t.Errorf("%s: %s after %v, want done after %v; %v", tt.name, s.State, took, tt.after, err)
			}
		})
	}
}

func TestWaits(t *testing.T) {
	const s = time.Second
	got := source.Waits(source.Retry{Jitter: new(0.0), Max: 10_000}, -1, 6)
	if want := []time.Duration{s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s}; !slices.Equal(got, want) {
		t.Errorf("waits are %v, want %v", got, want)
	}
	if got := source.Waits(source.Retry{Jitter: new(0.0)}, 0, 1); got[0] < 50*time.Millisecond {
		t.Errorf("retry: 0 waits %v", got[0])
	}
	if got := source.Waits(source.Retry{Jitter: new(0.0)}, 300*s, 2); !slices.Equal(got, []time.Duration{300 * s, 300 * s}) {
		t.Errorf("a base over the most gives %v", got)
	}
	spread := map[time.Duration]bool{}
	for range 100 {
		wait := source.Waits(source.Retry{}, -1, 1)[0]
		spread[wait] = true
		if wait < s || wait > s+s/2 {
			t.Fatalf("first wait is %v", wait)
		}
	}
	if len(spread) < 50 {
		t.Errorf("100 waits have %d values", len(spread))
	}
}

func TestLastEventID(t *testing.T) {
	for _, tt := range []struct {
		name    string
		initial string
		first   string
		want    []string // of each request
	}{
		{"none to begin with", "", "data: a\n\n", []string{"", ""}},
		{"an initial one is sent, and kept", "i-1", "data: a\n\n", []string{"i-1", "i-1"}},
		{"the stream's replaces it", "i-1", "id: 7\ndata: a\n\n", []string{"i-1", "7"}},
		{"an id without data counts", "i-1", "id: 8\n\n", []string{"i-1", "8"}},
		{"an empty one takes it back", "i-1", "id: 8\ndata: a\n\nid\ndata: b\n\n", []string{"i-1", ""}},
		{"an unfinished block does not count", "i-1", "id: 8\ndata: a\n", []string{"i-1", "i-1"}},
		{"one that no header can carry does not count", "i-1", "id: \x01\ndata: a\n\n", []string{"i-1", "i-1"}},
	} {
		inBubble(t, sourcetest.Then(sourcetest.Reply{Body: []byte(tt.first)}, gone), func(w *world) {
			c := with(func(c *source.Config) { c.LastEventID = tt.initial })
			if _, err := w.run(c, source.Callbacks{}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range w.remote.Requests() {
				got = append(got, r.LastEventID)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}

func TestAPostIsNotRepeatedByAnotherProcess(t *testing.T) {
	hang := sourcetest.Reply{Body: body(one), Stall: new(100)}
	inBubble(t, sourcetest.Then(hang, finished), func(w *world) {
		if s, err := w.runFor(time.Minute, w.worker(post(config()), source.Callbacks{})); s.State != source.Stopped || !errors.Is(err, errHour) {
			t.Fatalf("state %s, %v", s.State, err)
		}
		s, err := w.run(post(config()), source.Callbacks{})
		if s.State != source.Failed || !errors.Is(err, source.ErrSent) || w.remote.Counts().Connections != 1 {
			t.Errorf("the second worker: state %s, %v, %d requests in all", s.State, err, w.remote.Counts().Connections)
		}
	})
}

func TestAPostThatAnotherOwnerMarkedIsNotSent(t *testing.T) {
	inBubble(t, sourcetest.Always(finished), func(w *world) {
		w.store.fault = func(p string, n int) error {
			if p != "before mark" || n > 1 {
				return nil
			}
			w.store.cursor.Sent = true
			return source.ErrConflict
		}
		s, err := w.run(post(config()), source.Callbacks{})
		if n := w.remote.Counts().Connections; s.State != source.Failed || !errors.Is(err, source.ErrSent) || n != 0 {
			t.Errorf("%s, %v, %d requests", s.State, err, n)
		}
	})
}

// TestAPositionIsStoredWithoutOutputs takes none of the events: a later process is not to be sent
// them all again.
func TestAPositionIsStoredWithoutOutputs(t *testing.T) {
	none := with(func(c *source.Config) { c.Events = []string{"none"} })
	for _, tt := range []struct {
		name    string
		reply   sourcetest.Reply
		last    string
		appends int
	}{
		{"once when the source is stopped", sourcetest.Reply{Body: body(sourcetest.Plain(50)...), Stall: new(100_000), Trickle: 100}, "50", 1},
		{"now and then while events come", sourcetest.Reply{Body: body(sourcetest.Plain(50)...), Stall: new(100_000), Trickle: len(body(one)), Pause: time.Second}, "50", 12},
		{"with the end mark", sourcetest.Reply{Body: body(append(sourcetest.Plain(3), doneMark)...)}, "3", 1},
	} {
		inBubble(t, sourcetest.Always(tt.reply), func(w *world) {
			s, _ := w.run(none, source.Callbacks{})
			c := w.store.cursor
			if c.LastEventID != tt.last || len(w.store.all()) != 0 || s.LastEventID != tt.last || w.store.batches > tt.appends || w.store.batches < 1 {
				t.Errorf("%s: %+v after %d appends, status %+v", tt.name, c, w.store.batches, s)
			}
			if c.Complete != (s.State == source.Done) {
				t.Errorf("%s: complete is %v, state %s", tt.name, c.Complete, s.State)
			}
		})
	}
}

func TestAPostWaitsForItsMark(t *testing.T) {
	for _, point := range []string{"before mark", "after mark"} {
		inBubble(t, sourcetest.Always(finished), func(w *world) {
			w.store.fault = func(p string, n int) error {
				if p != point || n > 1 {
					return nil
				}
				if c := w.remote.Counts().Connections; c != 0 {
					t.Errorf("%s: %d requests were sent", point, c)
				}
				return errors.New("no answer")
			}
			s, err := w.run(post(config()), source.Callbacks{})
			if s.State != source.Done || w.remote.Counts().Connections != 1 || !w.store.cursor.Sent {
				t.Errorf("%s: %s, %v, %d requests", point, s.State, err, w.remote.Counts().Connections)
			}
		})
	}
}

func TestShapes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		done   *string
		events []abi.Event
	}{
		{"chat", nil, sourcetest.OpenAIChat(sourcetest.Answer)},
		{"responses", new("response.completed"), sourcetest.OpenAIResponses(sourcetest.Answer)},
		{"messages", new("message_stop"), sourcetest.Anthropic(sourcetest.Answer)},
		{"recent changes, cut, with long ids", new(""), sourcetest.Wikimedia(20)},
	} {
		script := func(n int, r sourcetest.Request) sourcetest.Reply {
			reply := sourcetest.Reply{Body: body(sourcetest.After(tt.events, r.LastEventID)...)}
			if tt.events[0].ID != "" && n < 5 {
				reply.Cut = new(1500)
			}
			return reply
		}
		inBubble(t, script, func(w *world) {
			s, err := w.run(with(func(c *source.Config) { c.Done = tt.done }), source.Callbacks{})
			if s.State != source.Done || len(w.store.all()) != len(tt.events) {
				t.Fatalf("%s: %s, %d events, want %d; %v", tt.name, s.State, len(w.store.all()), len(tt.events), err)
			}
			for i, o := range w.store.all() {
				if o.Data != tt.events[i].Data || o.Name != tt.events[i].Name && tt.events[i].Name != "" {
					t.Errorf("%s: event %d is %+v", tt.name, i, o)
				}
			}
		})
	}
}

func TestStatus(t *testing.T) {
	hang := sourcetest.Reply{Body: body(one, two), Stall: new(100)}
	inBubble(t, sourcetest.Then(status(500), hang), func(w *world) {
		worker := w.worker(config(), source.Callbacks{})
		if s := worker.Status(); s.State != source.Stopped || s.Node != "n1" {
			t.Errorf("before: %+v", s)
		}
		s, _ := w.runFor(500*time.Millisecond, worker)
		if s.State != source.Stopped || s.Attempts != 1 || !strings.Contains(s.LastError, "500") || !s.NextAttempt.IsZero() {
			t.Errorf("stopped while waiting: %+v", s)
		}
		s, _ = w.runFor(time.Minute, worker)
		if s.State != source.Stopped || s.Events != 2 || s.Stored != 2 || s.LastEventID != "2" || s.Attempts != 0 || s.Bytes == 0 || s.Connections != 2 || s.LastError != "" {
			t.Errorf("stopped while open: %+v", s)
		}
		if err := w.remote.Wait(w.t.Context(), func(c sourcetest.Counts) bool { return c.Aborts == 1 }); err != nil {
			t.Error(err)
		}
	})
}
