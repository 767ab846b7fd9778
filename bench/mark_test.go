package bench

import (
	"strings"
	"testing"
)

func TestMarksAreFoundWhereverTheyStand(t *testing.T) {
	ms, others := newMarks(), newMarks()
	b := ms.count(7, 42).append([]byte(`{"text":"`), 123456789, minPayload)
	if want := len(`{"text":"`) + minPayload; len(b) != want {
		t.Errorf("the payload makes %d bytes, want %d", len(b), want)
	}
	b = others.count(1, 1).append(append(b, `"}`...), 5, minPayload)
	b = ms.warm(1).append(b, 5, minPayload)
	b = append(b, ms.counted+"12.x.5. "+ms.counted...) // cut, or made up
	b = ms.count(8, 0).append(b, 0, minPayload)
	var found []mark
	for m, rest, ok := ms.next(b); ok; m, rest, ok = ms.next(rest) {
		found = append(found, m)
	}
	if len(found) != 2 || found[0] != (mark{7, 42, 123456789}) || found[1] != (mark{8, 0, 0}) {
		t.Errorf("found %v in %s", found, b)
	}
}

func TestAMarkFitsTheSmallestPayload(t *testing.T) {
	b := newMarks().count(maxPublishers-1, 1<<40).append(nil, 1<<62, minPayload)
	if len(b) != minPayload || strings.Count(string(b), ".") != 3 {
		t.Errorf("the longest mark makes %d bytes: %s", len(b), b)
	}
}
