package broker_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/broker"
)

func TestAKeyHasOneHolder(t *testing.T) {
	b, _ := start(t, broker.Config{})
	var holders atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				held, release, err := b.Hold(within(t), "source.acme.feed")
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 || held.Err() != nil {
					t.Errorf("%d holders, %v", n, context.Cause(held))
				}
				holders.Add(-1)
				release()
				if held.Err() == nil {
					t.Error("the context goes on after release")
				}
			}
		})
	}
	wg.Wait()
}

func TestHowHoldingEnds(t *testing.T) {
	b, stop := start(t, broker.Config{})
	ctx, cancel := context.WithCancel(within(t))
	byCaller, release, err := b.Hold(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error)
	go func() {
		_, _, err := b.Hold(ctx, "a")
		waiting <- err
	}()
	byEnd, _, err := b.Hold(within(t), "b")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-byCaller.Done()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("who waits: %v", err)
	}
	release()
	stop()
	<-byEnd.Done()
	if cause := context.Cause(byEnd); cause != broker.ErrClosed {
		t.Errorf("at the broker's end: %v", cause)
	}
	if _, _, err := b.Hold(within(t), "a"); !errors.Is(err, broker.ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
}
