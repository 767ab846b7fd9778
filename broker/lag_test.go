package broker

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lag{made: time.Now()}
		check := func(what string, passed, wantEvents uint64, wantLasts time.Duration) {
			t.Helper()
			if events, lasts := l.of(passed); events != wantEvents || lasts != wantLasts {
				t.Errorf("%s: %d events for %s, want %d for %s", what, events, lasts, wantEvents, wantLasts)
			}
		}
		check("at first", 10, 0, 0)
		l.reaches(10, 10)
		check("nothing is missing", 10, 0, 0)
		time.Sleep(time.Second)
		l.reaches(15, 10)
		time.Sleep(time.Second)
		check("five are missing", 10, 5, time.Second)
		l.reaches(20, 12)
		l.reaches(18, 12)
		time.Sleep(time.Second)
		check("and more, without it having caught up", 12, 8, 2*time.Second)
		check("it has caught up", 20, 0, 0)
		l.reaches(21, 20)
		check("one is missing anew", 20, 1, 0)
	})
}
