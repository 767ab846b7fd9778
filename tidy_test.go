package main

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTidyOnceACrowdHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var viewers, freed atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = tidy(ctx, viewers.Load, func() { freed.Add(1) }) })
		looks := func(n int) int64 {
			time.Sleep(time.Duration(n)*tidyLook + tidyLook/2)
			synctest.Wait()
			return freed.Load()
		}
		viewers.Store(tidyAfter - 1)
		if got := looks(10); got != 0 {
			t.Errorf("freed %d times for a few viewers", got)
		}
		for range 10 {
			viewers.Add(1000)
			if got := looks(0); got != 0 {
				t.Fatalf("freed while viewers come")
			}
		}
		if got := looks(2); got != 1 {
			t.Errorf("freed %d times once they are there, want 1", got)
		}
		viewers.Store(0)
		if got := looks(5); got != 1 {
			t.Errorf("freed %d times within a minute", got)
		}
		if got := looks(60); got != 2 {
			t.Errorf("freed %d times once they left, want 2", got)
		}
		if got := looks(300); got != 2 {
			t.Errorf("freed %d times though nothing changed, want 2", got)
		}
		cancel()
		running.Wait()
	})
}
