package host

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{free: 1}
		first, err := p.take(t.Context())
		if first != nil || err != nil {
			t.Errorf("an empty pool gives %v, %v", first, err)
		}
		left, leave := context.WithCancel(t.Context())
		turns := make(chan int, 3)
		for n, ctx := range []context.Context{left, t.Context(), t.Context()} {
			go func() {
				i, err := p.take(ctx)
				if n > 0 == (err != nil) || n == 0 && !errors.Is(err, context.Canceled) {
					t.Errorf("caller %d: %v", n, err)
				}
				turns <- n
				if err == nil {
					p.put(i)
				}
			}()
			synctest.Wait()
		}
		leave()
		synctest.Wait()
		mine := &instance{}
		if !p.put(mine) {
			t.Error("an open pool does not keep an instance")
		}
		for n := range 3 {
			if got := <-turns; got != n {
				t.Errorf("turn %d is caller %d's", n, got)
			}
		}
		synctest.Wait()
		if got, err := p.take(t.Context()); got != mine || err != nil {
			t.Errorf("the pool gives %v, %v, not what it was given", got, err)
		}
		if idle := p.close(); len(idle) != 0 || p.put(mine) {
			t.Error("a closed pool keeps an instance")
		}
		if p.free != 1 {
			t.Errorf("%d turns are free, want 1", p.free)
		}
	})
}

// TestPoolPassesATurnOn gives a turn to a caller that leaves at that moment.
func TestPoolPassesATurnOn(t *testing.T) {
	p := &pool{free: 1}
	p.take(t.Context())
	ctx, leave := context.WithCancel(t.Context())
	leave()
	for range 1000 {
		result := make(chan error)
		go func() { result <- func() error { _, err := p.take(ctx); return err }() }()
		p.put(nil)
		if err := <-result; err == nil {
			continue // it has the turn
		}
		if _, err := p.take(t.Context()); err != nil { // it must not wait for ever
			t.Fatal(err)
		}
	}
}

func TestPoolEvicts(t *testing.T) {
	p := &pool{free: 2}
	one, other := &instance{}, &instance{}
	for range 2 {
		if _, err := p.take(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if p.evict(one) {
		t.Error("what is in use was evicted")
	}
	p.put(one)
	p.put(other)
	if !p.evict(one) || p.evict(one) {
		t.Error("an idle instance can be evicted once")
	}
	if got, _ := p.take(t.Context()); got != other {
		t.Errorf("the pool gives %v, not the one that is left", got)
	}
	if got, _ := p.take(t.Context()); got != nil {
		t.Errorf("the pool gives %v, which was evicted", got)
	}
}
