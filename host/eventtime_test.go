package host

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestEventTime(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		caller, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		c := &call{}
		e := &eventTime{caller: context.WithoutCancel(caller), until: time.Now().Add(time.Second), call: c}
		below, stop := context.WithCancel(e)
		defer stop()
		cancel()
		if callOf(e) != c || callOf(below) != c || e.Value(key{}) != "value" {
			t.Error("it does not carry the call and the caller's values")
		}
		if until, ok := e.Deadline(); !ok || time.Until(until) != time.Second || e.Err() != nil {
			t.Errorf("it ends at %v, %v: %v", until, ok, e.Err())
		}
		<-below.Done()
		if err := e.Err(); !errors.Is(err, context.DeadlineExceeded) || time.Now().Before(e.until) {
			t.Errorf("it ended with %v at %v", err, time.Now())
		}
		unwatched := &eventTime{caller: t.Context(), until: time.Now().Add(time.Second)}
		time.Sleep(2 * time.Second)
		if err := unwatched.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one that nobody waits for ended with %v", err)
		}
		ended := &eventTime{caller: t.Context(), until: time.Now().Add(time.Hour)}
		done := ended.Done()
		ended.end()
		<-done
	})
}
