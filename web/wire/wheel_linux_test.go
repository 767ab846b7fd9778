package wire

import (
	"math/rand/v2"
	"testing"
)

func TestWheelBringsEachUpAtItsTick(t *testing.T) {
	var w wheel
	due := map[*socket]uint64{}
	for range 5000 {
		s := &socket{}
		due[s] = 1 + rand.Uint64N(wheelSlots-2)
		w.set(s, due[s])
	}
	removed := 0
	for s := range due {
		if removed++; removed > 1000 {
			break
		}
		w.remove(s)
		delete(due, s)
	}
	for len(due) > 0 {
		first, ok := w.next()
		if !ok {
			t.Fatalf("%d are left that do not come up", len(due))
		}
		to := w.now + 1 + rand.Uint64N(50)
		came := 0
		w.turn(to, func(s *socket) {
			if came++; due[s] != w.now || w.now > to {
				t.Fatalf("at tick %d comes what is due at %d", w.now, due[s])
			}
			if first > w.now {
				t.Fatalf("at tick %d comes something; the next was to be at %d", w.now, first)
			}
			delete(due, s)
		})
		if came > 0 != (first <= to) {
			t.Fatalf("%d came up to tick %d; the next was to be at %d", came, to, first)
		}
		if w.now != to {
			t.Fatalf("turned to %d and not %d", w.now, to)
		}
	}
	if tick, ok := w.next(); ok {
		t.Errorf("an empty wheel has something at %d", tick)
	}
}

func TestWheelBringsTheFarUpEarly(t *testing.T) {
	var w wheel
	s := &socket{}
	w.set(s, 1_000_000)
	came := uint64(0)
	w.turn(wheelSlots, func(*socket) { came = w.now })
	if came != wheelSlots-1 {
		t.Errorf("it came up at %d, want %d: the wheel reaches no farther", came, wheelSlots-1)
	}
	w.set(s, 3)
	w.turn(2*wheelSlots, func(*socket) { came = w.now })
	if came != wheelSlots+1 {
		t.Errorf("what is due in the past came up at %d, want the next tick", came)
	}
}

func TestPhasesAreSpread(t *testing.T) {
	seen := map[uint64]int{}
	s := &socket{v: &Viewer{keepAlive: 600 * tick}}
	for range 60_000 {
		p := s.phase()
		if p < 1 || p > 600 {
			t.Fatalf("phase %d of a period of 600", p)
		}
		seen[p]++
	}
	for p, n := range seen {
		if n > 200 {
			t.Errorf("%d of 60,000 have phase %d; 100 would be even", n, p)
		}
	}
}
