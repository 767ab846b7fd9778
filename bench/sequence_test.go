package bench

import (
	"testing"

	"pgregory.net/rapid"
)

func TestASequenceTellsFreshLateAndRepeated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s sequence
		seen, highest := map[uint64]bool{}, int64(-1)
		for _, n := range rapid.SliceOf(rapid.Uint64Range(0, 60)).Draw(t, "numbers") {
			want := fresh
			switch {
			case seen[n]:
				want = repeated
			case int64(n) < highest:
				want = late
			}
			if got := s.see(n); got != want {
				t.Fatalf("%d is %d, want %d", n, got, want)
			}
			seen[n], highest = true, max(highest, int64(n))
		}
	})
}

func TestWhatASequenceRemembersIsBounded(t *testing.T) {
	var s sequence
	for n := range uint64(10 * maxSpans) {
		s.see(2 * n) // every other one is missing
	}
	if len(s.missing) > maxSpans {
		t.Errorf("%d spans are kept, want %d at most", len(s.missing), maxSpans)
	}
	if got := s.see(1); got != repeated {
		t.Errorf("one that was given up is %d, want a repeat", got)
	}
}
