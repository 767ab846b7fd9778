package host

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestLifetimeOfAnEvent(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		caller, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		cancel()
		l := &lifetime{caller: caller, birth: time.Now(), lasts: time.Second}
		time.Sleep(time.Hour)
		if l.over() {
			t.Error("it is over before its clock was looked at")
		}
		time.Sleep(time.Second / 2)
		ctx := l.stopping()
		if until, ok := ctx.Deadline(); !ok || time.Until(until) != time.Second/2 || ctx.Err() != nil || ctx.Value(key{}) != "value" {
			t.Errorf("its context ends at %v, %v, with %v, of %v", until, ok, ctx.Err(), ctx.Value(key{}))
		}
		if l.ending() != ctx {
			t.Error("the event and its guest end at two times")
		}
		<-ctx.Done()
		if !l.over() || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("it ended with %v, and is over: %v", ctx.Err(), l.over())
		}
		unwatched := &lifetime{caller: caller, birth: time.Now(), lasts: time.Second}
		unwatched.over()
		if time.Sleep(2 * time.Second); !unwatched.over() {
			t.Error("one that nobody waits for does not end")
		}
		ended := &lifetime{caller: caller, birth: time.Now(), lasts: time.Hour}
		ctx = ended.ending()
		ended.end()
		<-ctx.Done()
	})
}
