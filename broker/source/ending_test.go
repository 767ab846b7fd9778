package source_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

// shouting stores each event twice, and a last word.
func shouting(completes *int) source.Callbacks {
	return source.Callbacks{
		OnEvent: func(_ context.Context, c source.Chunk) ([]abi.Event, bool, error) {
			return []abi.Event{{Data: c.Event.Data + "!"}}, true, nil
		},
		OnComplete: func(context.Context, abi.Response) ([]abi.Event, error) {
			*completes++
			return []abi.Event{{Data: "complete"}}, nil
		},
	}
}

// runKilledAt runs a worker whose process ends, as far as its store can tell, at the store's n-th write.
// It returns false if there are fewer.
func (w *world) runKilledAt(point string, n int, c source.Config, callbacks source.Callbacks) bool {
	ctx, kill := context.WithCancelCause(w.t.Context())
	defer kill(nil)
	w.store = &memory{fault: func(p string, call int) error {
		if call > n || call == n && (p == point || p == point+" mark") {
			kill(errKilled)
			return errKilled
		}
		return nil
	}}
	err := w.worker(c, callbacks).Run(ctx)
	w.store.fault = nil
	return errors.Is(err, errKilled)
}

// TestKilledAtAnyWriteTheLastWordIsStoredOnce: what OnComplete sends is in history once, wherever the
// process ended in between.
func TestKilledAtAnyWriteTheLastWordIsStoredOnce(t *testing.T) {
	events := append(sourcetest.Plain(3), doneMark)
	resuming := func(_ int, q sourcetest.Request) sourcetest.Reply {
		return sourcetest.Reply{Body: body(sourcetest.After(events, q.LastEventID)...), Trickle: 40}
	}
	unmarked := func(int, sourcetest.Request) sourcetest.Reply { return gone }
	whole := []string{"event 1!", "event 1", "event 2!", "event 2", "event 3!", "event 3", "[DONE]!", "[DONE]", "complete"}
	for _, tt := range []struct {
		name   string
		config source.Config
		script func(int, sourcetest.Request) sourcetest.Reply
		want   []string
		writes int // at least
	}{
		{"an end mark", config(), resuming, whole, 4},
		{"the answer to a POST", post(config()), resuming, whole, 5},
		{"no content", config(), unmarked, []string{"complete"}, 2},
	} {
		for _, point := range []string{"before", "after"} {
			inBubble(t, tt.script, func(w *world) {
				n, completes := 1, 0
				for ; w.runKilledAt(point, n, tt.config, shouting(&completes)); n++ {
					s, err := w.run(tt.config, shouting(&completes))
					got, want := w.store.data(), tt.want
					if s.State == source.Failed && errors.Is(err, source.ErrSent) { // as far as it came
						want = want[:min(len(got), len(want)-1)]
					}
					if !slices.Equal(got, want) {
						t.Errorf("%s, killed %s write %d: %s with %q, want %q", tt.name, point, n, s.State, got, want)
					}
				}
				if n-1 < tt.writes {
					t.Errorf("%s: %d writes, want %d", tt.name, n-1, tt.writes)
				}
			})
		}
	}
}

// TestAnEndedAnswerIsNotAskedForAgain: the process ended behind the end mark of a POST's answer.
func TestAnEndedAnswerIsNotAskedForAgain(t *testing.T) {
	inBubble(t, sourcetest.Always(finished), func(w *world) {
		completes := 0
		if !w.runKilledAt("before", 3, post(config()), shouting(&completes)) || completes != 1 {
			t.Fatalf("it was not killed behind OnComplete: %d calls", completes)
		}
		s, err := w.run(post(config()), shouting(&completes))
		if err != nil || s.State != source.Done || s.Connections != 0 || completes != 2 || w.remote.Counts().Connections != 1 {
			t.Errorf("%+v, %v; OnComplete was called %d times, %d requests", s, err, completes, w.remote.Counts().Connections)
		}
	})
}

// TestARestartedStreamHasALastWordEachTime also where a connection brings nothing.
func TestARestartedStreamHasALastWordEachTime(t *testing.T) {
	empty := sourcetest.Reply{Header: map[string]string{"Content-Type": "text/plain"}}
	inBubble(t, sourcetest.Then(finished, empty, gone), func(w *world) {
		completes := 0
		c := with(func(c *source.Config) { c.OnDone = source.DoneRestart })
		if _, err := w.run(c, shouting(&completes)); err != nil {
			t.Fatal(err)
		}
		want := []string{"two!", "two", "[DONE]!", "[DONE]", "complete", "complete", "complete"}
		if got := w.store.data(); completes != 3 || !slices.Equal(got, want) {
			t.Errorf("OnComplete was called %d times, stored %q", completes, got)
		}
	})
}
