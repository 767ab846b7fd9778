package source_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

var errAway = errors.New("no answer")

// TestAStoreThatIsAwayForMinutesEndsNoSource: no attempt of the remote is used up by it, and no answer
// to a POST is lost.
func TestAStoreThatIsAwayForMinutesEndsNoSource(t *testing.T) {
	script := func(_ int, q sourcetest.Request) sourcetest.Reply {
		return sourcetest.Reply{Body: body(append(sourcetest.After(sourcetest.Plain(3), q.LastEventID), doneMark)...), Trickle: 40}
	}
	impatient := with(func(c *source.Config) { c.Retry.Attempts = 1 })
	for _, tt := range []struct {
		name   string
		config source.Config
		point  string
		one    bool // request in all
	}{
		{"a GET that is answered", impatient, "before", false},
		{"a GET whose answer is stored", impatient, "after", true},
		{"a POST that is answered", post(impatient), "before", true},
		{"a POST whose answer is stored", post(impatient), "after", true},
		{"a POST that is about to be sent", post(impatient), "before mark", true},
		{"a POST whose mark is stored", post(impatient), "after mark", true},
	} {
		inBubble(t, script, func(w *world) {
			w.store.fault = func(p string, _ int) error {
				if p == tt.point && time.Since(w.began) < 5*time.Minute {
					return errAway
				}
				return nil
			}
			y := &tally{}
			s, err := w.run(tt.config, y.callbacks())
			want := []string{"event 1", "event 2", "event 3", "[DONE]", "complete 200"}
			if got := w.store.data(); err != nil || s.State != source.Done || !slices.Equal(got, want) {
				t.Errorf("%s: %s, %v, stored %q", tt.name, s.State, err, got)
			}
			if n := w.remote.Counts().Connections; (n == 1) != tt.one {
				t.Errorf("%s: %d requests", tt.name, n)
			}
			if y.starts != y.completes+y.errors || y.completes != 1 {
				t.Errorf("%s: %+v", tt.name, *y)
			}
		})
	}
}

// TestAPostThatWaitsForItsStoreSaysSo and ends when it is stopped.
func TestAPostThatWaitsForItsStoreSaysSo(t *testing.T) {
	inBubble(t, sourcetest.Always(finished), func(w *world) {
		w.store.fault = func(p string, _ int) error {
			if p == "before" {
				return errAway
			}
			return nil
		}
		s, err := w.run(post(config()), source.Callbacks{})
		if s.State != source.Stopped || !errors.Is(err, errHour) || s.LastError != "store events: no answer" || s.Connections != 1 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// TestAnotherOwnersWriteIsNoFaultOfTheRemote: a GET begins again where the other owner stopped, and a
// POST, which may have been acted upon, is not sent again.
func TestAnotherOwnersWriteIsNoFaultOfTheRemote(t *testing.T) {
	script := func(_ int, q sourcetest.Request) sourcetest.Reply {
		return sourcetest.Reply{Body: body(append(sourcetest.After(sourcetest.Plain(3), q.LastEventID), doneMark)...), Trickle: 40}
	}
	impatient := with(func(c *source.Config) { c.Retry.Attempts = 1 })
	for _, tt := range []struct {
		name     string
		config   source.Config
		state    source.State
		requests int
	}{
		{"a GET", impatient, source.Done, 2},
		{"a POST", post(impatient), source.Failed, 1},
	} {
		inBubble(t, script, func(w *world) {
			once := false
			w.store.fault = func(p string, _ int) error {
				if p == "before" && !once {
					once = true
					w.store.cursor.Revision++ // by the other owner
				}
				return nil
			}
			y := &tally{}
			s, err := w.run(tt.config, y.callbacks())
			if n := w.remote.Counts().Connections; s.State != tt.state || n != tt.requests {
				t.Errorf("%s: %s after %d requests, %v", tt.name, s.State, n, err)
			}
			if tt.state == source.Failed && !errors.Is(err, source.ErrSent) {
				t.Errorf("%s: %v", tt.name, err)
			}
			if y.starts != y.completes+y.errors {
				t.Errorf("%s: %+v", tt.name, *y)
			}
		})
	}
}
