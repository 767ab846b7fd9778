package checker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/tests/faults/checker"
)

func event(subject string, number, seq int) checker.Event {
	return checker.Event{Subject: subject, Number: number, ID: fmt.Sprintf("e-%d", seq)}
}

func received(e checker.Event) checker.Step { return checker.Step{Kind: checker.Received, Event: e} }

// sound is a history with nothing wrong: two subjects, a viewer of both that comes back once, and one
// of a.
func sound() checker.History {
	a0, b0, a1, b1, a2 := event("a", 0, 1), event("b", 0, 2), event("a", 1, 3), event("b", 1, 4), event("a", 2, 5)
	fromRemote := b1
	fromRemote.ID = ""
	return checker.History{
		Acknowledged: []checker.Event{a0, a1, b0, fromRemote}, // nobody knows whether a2 was stored
		Stored:       []checker.Event{a0, b0, a1, b1, a2},
		Viewers: []checker.Viewer{
			{Name: "both", Subjects: []string{"a", "b"}, Steps: []checker.Step{
				{Kind: checker.Connected, Note: "to n1"}, received(a0), received(b0), received(a1),
				{Kind: checker.Broken, Note: "reset"}, {Kind: checker.Connected, Note: "to n2 after e-3"}, received(b1), received(a2),
			}},
			{Name: "one", Subjects: []string{"a"}, Steps: []checker.Step{
				{Kind: checker.Connected, Note: "to n3"}, received(a0), received(a1), received(a2),
			}},
		},
	}
}

func TestCheck(t *testing.T) {
	steps := func(h *checker.History, viewer int) *[]checker.Step { return &h.Viewers[viewer].Steps }
	for _, tt := range []struct {
		name    string
		spoil   func(*checker.History)
		want    []checker.Kind
		witness string // lines of the first anomaly
	}{
		{"a sound history", func(*checker.History) {}, nil, ""},
		{"nothing at all", func(h *checker.History) { *h = checker.History{} }, nil, ""},
		{"a viewer misses an event", func(h *checker.History) {
			*steps(h, 1) = slices.Delete(*steps(h, 1), 2, 3)
		}, []checker.Kind{checker.Lost}, "step 1: received a #0 (id e-1)\nstep 2: received a #2 (id e-5)"},
		{"a viewer misses an event while it comes back", func(h *checker.History) {
			*steps(h, 0) = slices.Delete(*steps(h, 0), 6, 7)
		}, []checker.Kind{checker.Lost}, "step 3: received a #1 (id e-3)\nstep 4: broken reset\nstep 5: connected to n2 after e-3\nstep 6: received a #2 (id e-5)"},
		{"a viewer misses the first and the last", func(h *checker.History) {
			*steps(h, 1) = slices.Delete(slices.Delete(*steps(h, 1), 3, 4), 1, 2)
		}, []checker.Kind{checker.Lost, checker.Lost}, "the beginning\nstep 0: connected to n3\nstep 1: received a #1 (id e-3)"},
		{"a viewer gets nothing", func(h *checker.History) {
			*steps(h, 1) = nil
		}, []checker.Kind{checker.Lost, checker.Lost, checker.Lost}, "the beginning\nthe end"},
		{"a viewer gets an event again after it comes back", func(h *checker.History) {
			*steps(h, 0) = slices.Insert(*steps(h, 0), 6, received(event("a", 1, 3)))
		}, []checker.Kind{checker.Doubled}, "step 3: received a #1 (id e-3)\nstep 4: broken reset\nstep 5: connected to n2 after e-3\nstep 6: received a #1 (id e-3)"},
		{"two events change places", func(h *checker.History) {
			s := *steps(h, 1)
			s[2], s[3] = s[3], s[2]
		}, []checker.Kind{checker.Disordered}, "step 2: received a #2 (id e-5)\nstep 3: received a #1 (id e-3)"},
		{"a viewer sees what is not stored", func(h *checker.History) {
			*steps(h, 1) = append(*steps(h, 1), received(event("a", 3, 6)))
		}, []checker.Kind{checker.Forgotten}, "step 4: received a #3 (id e-6)"},
		{"a viewer sees an event under another's id", func(h *checker.History) {
			*steps(h, 1) = append(*steps(h, 1), received(event("a", 3, 5)))
		}, []checker.Kind{checker.Changed}, "step 4: received a #3 (id e-5)"},
		{"a viewer sees another subject", func(h *checker.History) {
			*steps(h, 1) = append(*steps(h, 1), received(event("b", 1, 4)))
		}, []checker.Kind{checker.Misdirected}, "step 4: received b #1 (id e-4)"},
		{"a viewer is told of a gap", func(h *checker.History) {
			*steps(h, 1) = append(*steps(h, 1), checker.Step{Kind: checker.Told, Note: "gap"})
		}, []checker.Kind{checker.Gap}, "step 4: told gap"},
		{"a viewer is turned away", func(h *checker.History) {
			*steps(h, 1) = append(*steps(h, 1), checker.Step{Kind: checker.Refused, Note: "503"})
		}, []checker.Kind{checker.TurnedAway}, "step 4: refused 503"},
		{"an acknowledged event is not stored", func(h *checker.History) {
			h.Acknowledged = append(h.Acknowledged, event("b", 2, 9))
		}, []checker.Kind{checker.Lost}, "stored as number 3 of all: b #1 (id e-4)"},
		{"what a remote sent is not stored", func(h *checker.History) {
			h.Acknowledged = append(h.Acknowledged, checker.Event{Subject: "b", Number: 2})
		}, []checker.Kind{checker.Lost}, "stored as number 3 of all: b #1 (id e-4)"},
		{"an event is stored under another id than was acknowledged", func(h *checker.History) {
			h.Acknowledged[0].ID = "e-9"
		}, []checker.Kind{checker.Changed}, "stored as number 0 of all: a #0 (id e-1)"},
		{"an event is stored twice, and all see it", func(h *checker.History) {
			again := event("a", 2, 6)
			h.Stored = append(h.Stored, again)
			for i := range h.Viewers {
				*steps(h, i) = append(*steps(h, i), received(again))
			}
		}, []checker.Kind{checker.Doubled}, "stored as number 4 of all: a #2 (id e-5)\nstored as number 5 of all: a #2 (id e-6)"},
		{"events are stored out of order, and all see it", func(h *checker.History) {
			late := event("b", 4, 6)
			later := event("b", 3, 7)
			h.Stored = append(h.Stored, late, later)
			*steps(h, 0) = append(*steps(h, 0), received(late), received(later))
		}, []checker.Kind{checker.Disordered}, "stored as number 5 of all: b #4 (id e-6)\nstored as number 6 of all: b #3 (id e-7)"},
		{"two acknowledgements have one id", func(h *checker.History) {
			h.Stored[1].ID, h.Acknowledged[2].ID = "e-1", "e-1"
			*steps(h, 0) = slices.Delete(*steps(h, 0), 2, 3)
		}, []checker.Kind{checker.Changed, checker.Changed, checker.Lost}, "stored as number 0 of all: a #0 (id e-1)\nstored as number 1 of all: b #0 (id e-1)"},
	} {
		h := sound()
		tt.spoil(&h)
		r := checker.Check(h)
		var got []checker.Kind
		for _, a := range r.Anomalies {
			got = append(got, a.Kind)
		}
		if !slices.Equal(got, tt.want) || r.OK() != (len(tt.want) == 0) {
			t.Errorf("%s: %v, want %v\n%s", tt.name, got, tt.want, &r)
			continue
		}
		if len(got) > 0 && strings.Join(r.Anomalies[0].Witness, "\n") != tt.witness {
			t.Errorf("%s: the proof is\n%s\nwant\n%s", tt.name, strings.Join(r.Anomalies[0].Witness, "\n"), tt.witness)
		}
	}
}

func TestAReportIsBounded(t *testing.T) {
	h := sound()
	for i := range 1000 {
		h.Viewers[1].Steps = append(h.Viewers[1].Steps, received(event("a", i, 100+i)), checker.Step{Kind: checker.Broken})
	}
	h.Viewers[1].Steps = append(h.Viewers[1].Steps, received(event("a", 2, 5)))
	r := checker.Check(h)
	if r.Count(checker.Forgotten) != 1000 || r.Count(checker.Doubled) != 1 {
		t.Errorf("counted are %d forgotten and %d doubled, want 1000 and 1", r.Count(checker.Forgotten), r.Count(checker.Doubled))
	}
	if lines := strings.Count(r.String(), "\n"); lines > 60 {
		t.Errorf("the report has %d lines", lines)
	}
	if !strings.Contains(r.String(), "… 994 more …") || !strings.Contains(r.String(), "1000 forgotten, ") {
		t.Errorf("the report is\n%s", &r)
	}
}

// TestAnySingleFaultIsFound draws sound histories, checks that they are found sound, and then takes,
// doubles or moves one step of one viewer.
func TestAnySingleFaultIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		if r := checker.Check(h); !r.OK() {
			t.Fatalf("a sound history: %s", &r)
		}
		v := &h.Viewers[rapid.IntRange(0, len(h.Viewers)-1).Draw(t, "viewer")]
		if len(v.Steps) < 2 {
			return
		}
		from, to := rapid.IntRange(0, len(v.Steps)-1).Draw(t, "from"), rapid.IntRange(0, len(v.Steps)-2).Draw(t, "to")
		step := v.Steps[from]
		want := checker.Lost
		switch rapid.SampledFrom([]string{"take", "double", "move"}).Draw(t, "fault") {
		case "take":
			v.Steps = slices.Delete(v.Steps, from, from+1)
		case "double":
			v.Steps = slices.Insert(v.Steps, to, step)
			want = checker.Doubled
		case "move":
			if from == to {
				return
			}
			v.Steps = slices.Insert(slices.Delete(v.Steps, from, from+1), to, step)
			want = checker.Disordered
		}
		if r := checker.Check(h); r.Count(want) == 0 {
			t.Fatalf("%s is not found: %s", want, &r)
		}
	})
}

func drawHistory(t *rapid.T) checker.History {
	subjects := []string{"a", "b", "c"}
	var h checker.History
	next := map[string]int{}
	for seq := range rapid.IntRange(1, 30).Draw(t, "events") {
		subject := rapid.SampledFrom(subjects).Draw(t, "subject")
		e := event(subject, next[subject], seq+1)
		next[subject]++
		h.Stored = append(h.Stored, e)
		if rapid.Bool().Draw(t, "acknowledged") {
			h.Acknowledged = append(h.Acknowledged, e)
		}
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "viewers") {
		v := checker.Viewer{Name: fmt.Sprint(i), Subjects: rapid.SliceOfNDistinct(rapid.SampledFrom(subjects), 1, 3, rapid.ID).Draw(t, "subjects")}
		for _, e := range h.Stored {
			if slices.Contains(v.Subjects, e.Subject) {
				v.Steps = append(v.Steps, received(e))
			}
		}
		h.Viewers = append(h.Viewers, v)
	}
	return h
}
