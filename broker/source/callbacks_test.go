package source_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

// tally counts how connections begin and end.
type tally struct {
	starts, completes, errors int
	texts                     []string
	answer                    int32
}

func (y *tally) callbacks() source.Callbacks {
	return source.Callbacks{
		OnRequestStart: func(_ context.Context, r abi.Response) error {
			y.starts++
			return nil
		},
		OnComplete: func(_ context.Context, r abi.Response) ([]abi.Event, error) {
			y.completes++
			return []abi.Event{{Name: "end", Data: fmt.Sprint("complete ", r.Status)}}, nil
		},
		OnError: func(ctx context.Context, r abi.Response) ([]abi.Event, int32, error) {
			y.errors++
			if ctx.Err() != nil {
				y.texts = append(y.texts, "too late")
			}
			y.texts = append(y.texts, r.Error)
			return nil, y.answer, nil
		},
	}
}

func TestEachConnectionEndsInExactlyOneOfCompleteAndError(t *testing.T) {
	hang := sourcetest.Reply{Body: body(one), Stall: new(100)}
	for _, tt := range []struct {
		name              string
		replies           []sourcetest.Reply
		completes, errors int
	}{
		{"complete", []sourcetest.Reply{finished}, 1, 0},
		{"an interruption first", []sourcetest.Reply{{Body: body(one)}, finished}, 1, 1},
		{"no content", []sourcetest.Reply{gone}, 1, 0},
		{"statuses", []sourcetest.Reply{status(500), status(404)}, 0, 2},
		{"a cut", []sourcetest.Reply{{Body: body(one), Cut: new(5)}, finished}, 1, 1},
		{"stopped in the middle", []sourcetest.Reply{hang}, 0, 1},
	} {
		inBubble(t, sourcetest.Then(tt.replies...), func(w *world) {
			y := &tally{}
			w.run(config(), y.callbacks()) // how it ends is told by the counts
			if y.completes != tt.completes || y.errors != tt.errors || y.starts != y.completes+y.errors || slices.Contains(y.texts, "too late") {
				t.Errorf("%s: %+v", tt.name, *y)
			}
		})
	}
}

func TestWhatOnErrorAnswers(t *testing.T) {
	for _, tt := range []struct {
		name     string
		config   source.Config
		answer   int32
		replies  []sourcetest.Reply
		state    source.State
		requests int
		after    time.Duration
	}{
		{"0 leaves it to the policy", config(), 0, []sourcetest.Reply{status(500), finished}, source.Done, 2, time.Second},
		{"1 stops the source", config(), 1, []sourcetest.Reply{status(500), finished}, source.Stopped, 1, 0},
		{"more is a wait", config(), 7000, []sourcetest.Reply{status(500), finished}, source.Done, 2, 7 * time.Second},
		{"also where the policy gives up", config(), 7000, []sourcetest.Reply{status(404), finished}, source.Done, 2, 7 * time.Second},
		{"and where the attempts are used up", with(func(c *source.Config) { c.Retry.Attempts = 1 }), 7000, []sourcetest.Reply{status(500), finished}, source.Done, 2, 7 * time.Second},
		{"but it repeats no POST", post(config()), 7000, []sourcetest.Reply{status(500), finished}, source.Failed, 1, 0},
		{"less is nothing", config(), -3, []sourcetest.Reply{status(404), finished}, source.Failed, 1, 0},
	} {
		inBubble(t, sourcetest.Then(tt.replies...), func(w *world) {
			s, _ := w.run(tt.config, (&tally{answer: tt.answer}).callbacks())
			if s.State != tt.state || w.remote.Counts().Connections != tt.requests || time.Since(w.began) != tt.after {
				t.Errorf("%s: %s after %d requests and %v", tt.name, s.State, w.remote.Counts().Connections, time.Since(w.began))
			}
		})
	}
}

func TestTheFiveFactsOfAChunk(t *testing.T) {
	reply := sourcetest.Reply{Header: map[string]string{"X-From": "remote"}, Body: body(one, two, doneMark)}
	inBubble(t, sourcetest.Always(reply), func(w *world) {
		var got []source.Chunk
		c := with(func(c *source.Config) { c.Headers = map[string]string{"X-Key": "{{secret.key}}"} })
		_, err := w.run(c, source.Callbacks{OnChunk: func(_ context.Context, chunk source.Chunk) ([]abi.Event, error) {
			got = append(got, chunk)
			return nil, nil
		}})
		if err != nil || len(got) != 3 {
			t.Fatalf("%d chunks, %v", len(got), err)
		}
		k := got[1]
		if k.Event.Data != "two" || k.Event.ID != "2" || k.Response.LastEventID != "2" || k.Response.Events != 2 || k.Response.Bytes == 0 ||
			k.Request.Headers["X-Key"] != "{{secret.key}}" || k.Response.Status != 200 || k.Response.Headers["X-From"] != "remote" || k.Response.Attempts != 1 {
			t.Errorf("chunk is %+v", k)
		}
		if got[2].Response.LastEventID != "2" || got[2].Event.ID != "" {
			t.Errorf("an event without an id has %q, last %q", got[2].Event.ID, got[2].Response.LastEventID)
		}
		if len(w.store.data()) != 0 {
			t.Errorf("stored %q, though onChunk sent nothing", w.store.data())
		}
	})
}

var errTrap = errors.New("trap")

// shaping drops event 1, doubles event 2, traps at event 3, passes all others.
func shaping(_ context.Context, c source.Chunk) ([]abi.Event, bool, error) {
	switch c.Event.Data {
	case "event 1":
		return nil, false, nil
	case "event 2":
		return []abi.Event{{Name: "a.b", Data: "two"}}, true, nil
	case "event 3":
		return []abi.Event{{Data: "lost with the trap"}}, true, errTrap
	case "event 4":
		return []abi.Event{{Name: "bad\nname"}}, true, nil
	}
	return nil, true, nil
}

func TestOnEventAndItsErrors(t *testing.T) {
	script := func(_ int, r sourcetest.Request) sourcetest.Reply {
		return sourcetest.Reply{Body: body(append(sourcetest.After(sourcetest.Plain(5), r.LastEventID), doneMark)...)}
	}
	for _, tt := range []struct {
		onError string
		state   source.State
		dropped uint64
		want    []string
	}{
		{"drop", source.Done, 2, []string{"two", "event 2", "event 5", "[DONE]"}},
		{"pass", source.Done, 0, []string{"two", "event 2", "event 3", "event 4", "event 5", "[DONE]"}},
		{"close", source.Failed, 0, []string{"two", "event 2"}},
	} {
		inBubble(t, script, func(w *world) {
			s, err := w.run(with(func(c *source.Config) { c.OnError = tt.onError }), source.Callbacks{OnEvent: shaping})
			if s.State != tt.state || s.Dropped != tt.dropped || !slices.Equal(w.store.data(), tt.want) {
				t.Errorf("%s: %s, %d dropped, stored %q, %v", tt.onError, s.State, s.Dropped, w.store.data(), err)
			}
			if first := w.store.all()[0]; first.Subject != "feed.a_b" {
				t.Errorf("%s: subject %s", tt.onError, first.Subject)
			}
			if n := w.store.batches; tt.onError == "drop" && n != 1 {
				t.Errorf("events received together were stored in %d batches", n)
			}
		})
	}
}

// TestManyOutputs has more of them for events received together than are stored at once.
func TestManyOutputs(t *testing.T) {
	script := func(_ int, r sourcetest.Request) sourcetest.Reply {
		return sourcetest.Reply{Body: body(append(sourcetest.After(sourcetest.Plain(6), r.LastEventID), doneMark)...)}
	}
	many := func(_ context.Context, c source.Chunk) (sends []abi.Event, pass bool, err error) {
		for i := range 400 {
			sends = append(sends, abi.Event{Data: fmt.Sprint(c.Event.Data, " ", i)})
		}
		return sends, false, nil
	}
	inBubble(t, script, func(w *world) {
		ctx, kill := context.WithCancel(w.t.Context())
		w.store.fault = func(point string, n int) error {
			if point == "before" && n == 2 {
				kill()
				return errKilled
			}
			return nil
		}
		if err := w.worker(config(), source.Callbacks{OnEvent: many}).Run(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if n := len(w.store.all()); n != 800 {
			t.Errorf("%d outputs were stored by one Append, want 800", n)
		}
		w.run(config(), source.Callbacks{OnEvent: many})
		var want []string
		for _, e := range append(sourcetest.Plain(6), doneMark) {
			for i := range 400 {
				want = append(want, fmt.Sprint(e.Data, " ", i))
			}
		}
		if got := w.store.data(); !slices.Equal(got, want) {
			t.Errorf("%d outputs, want %d, each once", len(got), len(want))
		}
	})
}

func TestOutputsOfOneEventAreBounded(t *testing.T) {
	big := strings.Repeat("x", abi.MaxSendBytes)
	inBubble(t, sourcetest.Always(finished), func(w *world) {
		many := func(_ context.Context, c source.Chunk) (sends []abi.Event, pass bool, err error) {
			n := 32
			if c.Event.Data == "two" {
				n = 33
			}
			for range n {
				sends = append(sends, abi.Event{Data: big})
			}
			return sends, false, nil
		}
		s, err := w.run(config(), source.Callbacks{OnEvent: many})
		if err != nil || s.Dropped != 1 || s.Stored != 32 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

func TestOutputsHaveTheRemoteId(t *testing.T) {
	inBubble(t, sourcetest.Always(sourcetest.Reply{Body: body(one, abi.Event{Data: "x", ID: "a\x01b"}, doneMark)}), func(w *world) {
		w.run(config(), source.Callbacks{}) // its end is not what is looked at
		var got []string
		for _, o := range w.store.all() {
			got = append(got, o.ID)
		}
		if !slices.Equal(got, []string{"1", "", ""}) {
			t.Errorf("ids are %q", got)
		}
	})
}

func TestASlowCallbackIsNoSilence(t *testing.T) {
	inBubble(t, sourcetest.Always(sourcetest.Reply{Body: body(one, two, doneMark), Trickle: 20}), func(w *world) {
		slow := func(context.Context, source.Chunk) ([]abi.Event, bool, error) {
			time.Sleep(5 * time.Second) // of the bubble
			return nil, true, nil
		}
		s, err := w.run(with(func(c *source.Config) { c.IdleTimeout = 1000 }), source.Callbacks{OnEvent: slow})
		if s.State != source.Done || s.Connections != 1 {
			t.Errorf("%s after %d connections, %v", s.State, s.Connections, err)
		}
	})
}

func TestBadEventsDoNotEndTheStream(t *testing.T) {
	long := abi.Event{Name: string(make([]byte, abi.MaxNameBytes+1)), Data: "x"}
	inBubble(t, sourcetest.Always(sourcetest.Reply{Body: body(one, long, two, doneMark)}), func(w *world) {
		s, err := w.run(config(), source.Callbacks{})
		if err != nil || s.Dropped != 1 || s.Events != 4 || s.Stored != 3 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

func TestEventsAreTakenByName(t *testing.T) {
	reply := sourcetest.Reply{Body: body(one, abi.Event{Name: "quote", Data: "q"}, abi.Event{Name: "ping", Data: "p"}, abi.Event{Name: "stop", Data: "s"})}
	inBubble(t, sourcetest.Always(reply), func(w *world) {
		c := with(func(c *source.Config) { c.Events, c.Done = []string{"quote", "message"}, new("stop") })
		if _, err := w.run(c, source.Callbacks{}); err != nil {
			t.Fatal(err)
		}
		if got := w.store.data(); !slices.Equal(got, []string{"one", "q"}) {
			t.Errorf("stored %q", got)
		}
	})
}

func TestDedupe(t *testing.T) {
	first := []abi.Event{{Data: "a"}, {Data: "b"}}
	again := []abi.Event{{Data: "b"}, {Data: "c"}, doneMark}
	for dedupe, want := range map[bool][]string{false: {"a", "b", "b", "c", "[DONE]"}, true: {"a", "b", "c", "[DONE]"}} {
		inBubble(t, sourcetest.Then(sourcetest.Reply{Body: body(first...)}, sourcetest.Reply{Body: body(again...)}), func(w *world) {
			if _, err := w.run(with(func(c *source.Config) { c.Dedupe = dedupe }), source.Callbacks{}); err != nil {
				t.Fatal(err)
			}
			if got := w.store.data(); !slices.Equal(got, want) {
				t.Errorf("dedupe %v: stored %q", dedupe, got)
			}
		})
	}
}

func TestACompleteStreamsLastWordIsStored(t *testing.T) {
	inBubble(t, sourcetest.Always(finished), func(w *world) {
		if _, err := w.run(config(), (&tally{}).callbacks()); err != nil {
			t.Fatal(err)
		}
		if got := w.store.data(); !slices.Equal(got, []string{"two", "[DONE]", "complete 200"}) {
			t.Errorf("stored %q", got)
		}
	})
}

func TestADroppedEventIsLoggedOnce(t *testing.T) {
	long := abi.Event{Name: string(make([]byte, abi.MaxNameBytes+1)), Data: "cannot be stored"}
	for _, tt := range []struct {
		name    string
		onError string
		event   abi.Event
		onEvent func(context.Context, source.Chunk) ([]abi.Event, bool, error)
		lines   int
	}{
		{"the callback fails", source.ErrorDrop, abi.Event{Data: "event 3"}, shaping, 1},
		{"what it sends cannot be stored", source.ErrorDrop, abi.Event{Data: "event 4"}, shaping, 1},
		{"there is no callback", source.ErrorDrop, long, nil, 1},
		{"the callback fails, and the event cannot be stored either", source.ErrorPass, abi.Event{Name: long.Name, Data: "event 3"}, shaping, 2},
	} {
		inBubble(t, sourcetest.Always(sourcetest.Reply{Body: body(tt.event, doneMark)}), func(w *world) {
			var log strings.Builder
			worker, err := source.NewWorker(source.WorkerConfig{
				Source: with(func(c *source.Config) { c.OnError = tt.onError }), Client: w.client, Store: w.store,
				Callbacks: source.Callbacks{OnEvent: tt.onEvent}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			s, err := w.runFor(time.Hour, worker)
			if n := strings.Count(log.String(), "level=WARN"); err != nil || s.Dropped != 1 || n != tt.lines {
				t.Errorf("%s: %d dropped, %d lines, %v:\n%s", tt.name, s.Dropped, n, err, log.String())
			}
		})
	}
}
