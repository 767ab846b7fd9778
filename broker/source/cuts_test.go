package source_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

// recording is an event stream as it was received, with the places where a remote resumes it.
type recording struct {
	body   []byte
	events []string       // name and data
	after  map[string]int // by id, where what follows begins
}

func record(t *testing.T) recording {
	t.Helper()
	body, err := os.ReadFile("testdata/recorded.sse")
	if err != nil {
		t.Fatal(err)
	}
	r := recording{body: body, after: map[string]int{}}
	p := sse.NewParser(0)
	for i := range body {
		p.Feed(body[i : i+1])
		b, ok, err := p.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ok && b.ID != "" {
			r.after[b.ID] = i + 1
		}
		if ok && b.Dispatch {
			r.events = append(r.events, b.Name+"="+b.Data)
		}
	}
	if len(r.events) != 50 {
		t.Fatalf("recording has %d events, want 50", len(r.events))
	}
	return r
}

// rest is what is left for a client that has id.
func (r recording) rest(id string) []byte { return r.body[r.after[id]:] }

func (w *world) stored() []string {
	var all []string
	for _, o := range w.store.all() {
		all = append(all, o.Name+"="+o.Data)
	}
	return all
}

// each returns every i below n, or in a short run some of them.
func each(n int) func(yield func(int) bool) {
	step := 1
	if testing.Short() {
		step = 37
	}
	return func(yield func(int) bool) {
		for i := 0; i < n; i += step {
			if !yield(i) {
				return
			}
		}
	}
}

func TestCutAtEveryByteNothingIsLostOrDoubled(t *testing.T) {
	r := record(t)
	cut := 0
	script := func(n int, q sourcetest.Request) sourcetest.Reply {
		if n%2 == 0 {
			return sourcetest.Reply{Body: r.rest(q.LastEventID), Cut: &cut}
		}
		return sourcetest.Reply{Body: r.rest(q.LastEventID)}
	}
	inBubble(t, script, func(w *world) {
		for cut = range each(len(r.body)) {
			w.store = &memory{}
			if status, err := w.run(config(), source.Callbacks{}); err != nil || status.State != source.Done {
				t.Fatalf("cut at %d: state %s, error %v", cut, status.State, err)
			}
			if got := w.stored(); !slices.Equal(got, r.events) {
				t.Fatalf("cut at %d: stored %q", cut, got)
			}
		}
		if !testing.Short() && w.remote.Counts().Connections != 2*len(r.body) {
			t.Errorf("%d connections, want two for each of %d cuts", w.remote.Counts().Connections, len(r.body))
		}
	})
}

func TestCutAgainAndAgainNothingIsLostOrDoubled(t *testing.T) {
	r := record(t)
	for _, size := range []int{200, 333} {
		for _, encoding := range []string{"", "gzip", "zstd", "br"} {
			script := func(_ int, q sourcetest.Request) sourcetest.Reply {
				body := r.rest(q.LastEventID)
				if len(body) <= size {
					return sourcetest.Reply{Body: body, Encoding: encoding}
				}
				return sourcetest.Reply{Body: body, Encoding: encoding, Cut: &size, Trickle: 7}
			}
			inBubble(t, script, func(w *world) {
				if _, err := w.run(config(), source.Callbacks{}); err != nil {
					t.Fatal(err)
				}
				if got := w.stored(); !slices.Equal(got, r.events) {
					t.Errorf("%s cut every %d bytes: stored %q", encoding, size, got)
				}
			})
		}
	}
}

var errKilled = errors.New("killed")

// TestKilledAtEveryWrite ends the process, as far as a store can tell, before or after each write,
// and begins another worker with what is stored.
func TestKilledAtEveryWriteNothingIsLostOrDoubled(t *testing.T) {
	r := record(t)
	script := func(_ int, q sourcetest.Request) sourcetest.Reply {
		return sourcetest.Reply{Body: r.rest(q.LastEventID), Trickle: 40}
	}
	for _, point := range []string{"before", "after"} {
		inBubble(t, script, func(w *world) {
			kills := 0
			for killed := true; killed; {
				killed = w.runKilled(point)
				if killed {
					kills++
				}
				if kills > 200 {
					t.Fatalf("killed %s each write: it does not come to an end", point)
				}
			}
			if got := w.stored(); !slices.Equal(got, r.events) {
				t.Errorf("killed %s each write: stored %q", point, got)
			}
			if kills < 20 {
				t.Errorf("killed %s writes %d times only", point, kills)
			}
		})
	}
}

// runKilled runs a new worker and kills it at its second write. It returns false once one is done.
func (w *world) runKilled(point string) bool {
	ctx, cancel := context.WithCancelCause(w.t.Context())
	defer cancel(nil)
	w.store.calls = 0
	w.store.fault = func(p string, n int) error {
		if p != point || n < 2 {
			return nil
		}
		cancel(errKilled)
		return errKilled
	}
	err := w.worker(config(), source.Callbacks{}).Run(ctx)
	if err != nil && !errors.Is(err, errKilled) {
		w.t.Fatal(err)
	}
	return err != nil
}

func TestStoreThatDoesNotAnswerLosesAndDoublesNothing(t *testing.T) {
	r := record(t)
	script := func(_ int, q sourcetest.Request) sourcetest.Reply {
		return sourcetest.Reply{Body: r.rest(q.LastEventID), Trickle: 40}
	}
	for _, point := range []string{"before", "after"} {
		inBubble(t, script, func(w *world) {
			w.store.fault = func(p string, n int) error {
				if p == point && n%3 != 0 {
					return errors.New("no answer")
				}
				return nil
			}
			if _, err := w.run(config(), source.Callbacks{}); err != nil {
				t.Fatal(err)
			}
			if got := w.stored(); !slices.Equal(got, r.events) {
				t.Errorf("no answer %s: stored %q", point, got)
			}
			if n := w.remote.Counts().Connections; n != 1 {
				t.Errorf("%d connections, want one that waits for the store", n)
			}
		})
	}
}

func TestAnotherOwnerWins(t *testing.T) {
	script := func(_ int, q sourcetest.Request) sourcetest.Reply {
		return sourcetest.Reply{Body: sourcetest.Stream(sourcetest.After(sourcetest.Plain(9), q.LastEventID)), Trickle: 40}
	}
	inBubble(t, script, func(w *world) {
		var once bool
		w.store.fault = func(p string, n int) error {
			if p == "before" && n == 2 && !once { // another owner stored what is about to be stored, and more
				once = true
				w.store.store([]source.Output{{Name: "tick", Data: "event 2"}, {Name: "tick", Data: "event 3"}})
				w.store.cursor.Revision++
				w.store.cursor.LastEventID = "3"
			}
			return nil
		}
		c := config()
		c.Done = new("event 9")
		if _, err := w.run(c, source.Callbacks{}); err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range 9 {
			want = append(want, fmt.Sprintf("event %d", i+1))
		}
		if got := w.store.data(); !slices.Equal(got, want) {
			t.Errorf("stored %s, want %s", strings.Join(got, ", "), strings.Join(want, ", "))
		}
	})
}
