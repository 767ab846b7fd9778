package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestWhenCopiesAreCurrent goes through what a node sees that comes back, loses the others and finds
// them again.
func TestWhenCopiesAreCurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		late, broken := map[streamID]string{}, errors.New("no leader of all")
		c := newCopies(func() (map[streamID]string, error) {
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(late), broken
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.run(ctx)
		}()
		step := func(what string, current bool, count int, change func()) {
			t.Helper()
			mu.Lock()
			change()
			mu.Unlock()
			time.Sleep(2 * copiesLook)
			synctest.Wait()
			if err := c.err(); (err == nil) != current || err != nil && !errors.Is(err, ErrBehind) && !errors.Is(err, ErrUnavailable) || c.count() != count {
				t.Errorf("%s: %v, %d are behind", what, err, c.count())
			}
		}
		copyOf := func(n int) streamID { return streamID{"account", fmt.Sprint("stream", n)} }
		step("it does not know", false, 0, func() {})
		step("two are behind", false, 2, func() { broken = nil; late[copyOf(1)], late[copyOf(2)] = "1", "2" })
		step("one has come, another has begun", false, 1, func() { delete(late, copyOf(1)); late[copyOf(3)] = "3" })
		step("the other too", true, 0, func() { delete(late, copyOf(2)) })
		step("an election later", true, 0, func() { late[copyOf(1)] = "1" })
		time.Sleep(copiesRest)
		step("which is counted", true, 2, func() {})
		step("the others are lost", false, 2, func() { c.follow(false) })
		step("and found", false, 2, func() { c.follow(true) })
		step("all has come", true, 0, func() { clear(late) })
		cancel()
		<-done
	})
}
