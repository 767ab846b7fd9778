package bench

import (
	"context"
	"sync"
	"time"
)

// awayTime is how long a viewer that was cut stays away.
const awayTime = 50 * time.Millisecond

// cutEvery is how often viewers are cut: some each time, to a share of all in a second.
const cutEvery = 100 * time.Millisecond

// returning is a viewer that comes back at due, to the reader that it had.
type returning struct {
	*viewer
	reader
	due time.Time
}

// comeback opens viewers again that have ended, each behind its last event, until ctx ends.
func (all *crowd) comeback(ctx context.Context, stream *target) {
	var wg sync.WaitGroup
	for range dialers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case v := <-all.again:
					if pause(ctx, time.Until(v.due)) != nil {
						return
					}
					if v.reader.open(v.viewer, stream.streamHead(string(v.last))) != nil {
						v.due = time.Now().Add(awayTime)
						all.again <- v // which has room for all viewers
					}
				}
			}
		})
	}
	wg.Wait()
}

// cutSome cuts a share of n viewers a second, until ctx ends.
func (all *crowd) cutSome(ctx context.Context, n int64, share float64) {
	ticker := time.NewTicker(cutEvery)
	defer ticker.Stop()
	due := 0.0
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		due += float64(n) * share * cutEvery.Seconds()
		all.readers[turn%readers].cut(int(due))
		due -= float64(int(due))
	}
}
