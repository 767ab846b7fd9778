// Package resume tests that coming back to a long history costs no more than coming to a short one.
package resume

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

const (
	resumes = 20

	// promised is how much longer than a fresh stream a resumed one may need to its first event.
	// Whether it holds is logged, since a test that asserts it would fail on a busy machine.
	promised = 100 * time.Millisecond

	// bearable is asserted: only a hang, or a scan of a long history, comes near it.
	bearable = 2 * time.Second

	// Resuming near the end of history may need this many times longer than near its start, and the
	// other way round. Going through what lies before the id needs some 100 times longer near the
	// end. Getting together all that lies behind it needs more than that near the start, where
	// history may also have to be read from disk.
	endRatio, startRatio = 10, 50
)

// TestResumingDoesNotScan resumes from random ids of a long history. Each stream begins with
// exactly the next event, wherever in history that is, and on a subject that only one event in a
// hundred is on as well.
func TestResumingDoesNotScan(t *testing.T) {
	events := 1_000_000
	if testing.Short() {
		events = 200_000
	}
	h := &history{server: program.Start(t), batches: make([][]string, events/batchSize)}
	h.server.Put("/v1/tenants/acme", nil)
	for name, subject := range map[string]string{"all": "n.>", "one": "n.{k}"} {
		path := "/" + name
		if name == "one" {
			path += "/:k"
		}
		h.server.Put("/v1/tenants/acme/routes/"+name, map[string]any{"path": path, "subjects": []string{subject}, "access": "public"})
	}
	h.publish(t)
	seed := rand.Uint64()
	t.Logf("seed of the ids: %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))

	fresh := median(h.fresh(t))
	t.Logf("a fresh stream has its first event after %s (median)", ms(fresh))
	for _, tt := range []struct {
		name   string
		resume func(*testing.T, place) time.Duration
	}{
		{"on all subjects", h.resumeAll},
		{"on one subject of a hundred", h.resumeOne},
	} {
		t.Run(tt.name, func(t *testing.T) {
			measure := func(where string, from, to float64) []time.Duration {
				var took []time.Duration
				for _, p := range h.places(r, resumes, from, to) {
					took = append(took, tt.resume(t, p))
				}
				t.Logf("resumed %s: median %s, slowest %s", where, ms(median(took)), ms(slices.Max(took)))
				return took
			}
			if slowest := slices.Max(measure("anywhere", 0, 1)); slowest-fresh > bearable {
				t.Errorf("a resumed stream has its first event %s later than a fresh one", slowest-fresh)
			} else {
				t.Logf("the slowest is %s later than a fresh stream; promised are %s: %v", ms(slowest-fresh), ms(promised), slowest-fresh <= promised)
			}
			start, end := median(measure("near the start", 0, 0.01)), median(measure("near the end", 0.99, 1))
			if end > endRatio*start || start > startRatio*end {
				t.Errorf("resuming needs %s near the start of history and %s near its end", ms(start), ms(end))
			}
		})
	}
}

// fresh measures streams without an id: how long until the first event, which is published once the
// stream is open.
func (h *history) fresh(t *testing.T) (took []time.Duration) {
	t.Helper()
	for i := range resumes {
		data := fmt.Sprintf("fresh %d", i)
		begin := time.Now()
		s := h.server.Open("/t/acme/all")
		if _, err := h.server.Publish(t.Context(), "acme", program.Event{Subject: "n.fresh", Data: data}); err != nil {
			t.Fatal(err)
		}
		if e := s.Next(); e.Data != data {
			t.Fatalf("a fresh stream begins with %q, want %q", e.Data, data)
		}
		took = append(took, time.Since(begin))
		s.Close()
	}
	return took
}

func (h *history) resumeAll(t *testing.T, p place) time.Duration {
	t.Helper()
	return h.resume(t, "/t/acme/all", p, place{p.batch, p.line + 1})
}

func (h *history) resumeOne(t *testing.T, p place) time.Duration {
	t.Helper()
	return h.resume(t, fmt.Sprintf("/t/acme/one/%d", p.line%subjects), p, place{p.batch, p.line + subjects})
}

// resume opens a stream after the event at p and returns how long it was to its first event, which
// has to be the one at next.
func (h *history) resume(t *testing.T, path string, p, next place) time.Duration {
	t.Helper()
	begin := time.Now()
	s := h.server.Open(path, "Last-Event-ID", h.batches[p.batch][p.line])
	e := s.Next()
	took := time.Since(begin)
	s.Close()
	if want := h.batches[next.batch][next.line]; e.ID != want || e.Data != dataOf(next.batch, next.line) {
		t.Fatalf("resumed at %+v, the first event is %s %q, want %s", p, e.ID, e.Data, want)
	}
	return took
}

func median(took []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[len(sorted)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }
