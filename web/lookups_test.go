package web_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/web"
)

// TestWhatIsNotThereIsAskedForTogether: requests for nothing must not load the registry's leader.
func TestWhatIsNotThereIsAskedForTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, down := 0, errors.New("no leader")
		var answer error
		fresh := web.NewLookups(func() error {
			asked++
			time.Sleep(time.Millisecond) // the leader's
			return answer
		})
		together := func(n int, want error) {
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					if err := fresh(t.Context()); err != want {
						t.Errorf("fresh = %v, want %v", err, want)
					}
				})
			}
			wg.Wait()
		}
		together(1000, nil)
		if asked > 2 {
			t.Errorf("1000 that miss something at once ask the leader %d times", asked)
		}
		for range 200 { // one after the other
			together(1, nil)
		}
		answer = down
		together(10, down)

		// The one that asks leaves; those who came with it get their answer all the same.
		left, leave := context.WithCancel(t.Context())
		leave()
		answer = nil
		go func() { _ = fresh(left) }()
		synctest.Wait()
		together(3, nil)
	})
}

// TestWhoMissesSomethingIsNotGivenAnEarlierAnswer: what was written after the asking began may be
// missing in it.
func TestWhoMissesSomethingIsNotGivenAnEarlierAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, began := 0, make(chan struct{}, 2)
		goOn := make(chan struct{})
		fresh := web.NewLookups(func() error {
			asked++
			began <- struct{}{}
			<-goOn
			return nil
		})
		var wg sync.WaitGroup
		wg.Go(func() { _ = fresh(t.Context()) })
		<-began
		wg.Go(func() { _ = fresh(t.Context()) })
		synctest.Wait()
		close(goOn)
		wg.Wait()
		if asked != 2 {
			t.Errorf("the leader was asked %d times, want once for each", asked)
		}
	})
}
