package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// readers is how many goroutines read the viewers, where one can read many.
const readers = 2

// dialers is how many viewers connect at once; maxOpening, how many may wait for their response.
const (
	dialers    = 8
	maxOpening = 128
)

// A slow viewer reads a piece of slowBytes each time, and then rests.
const (
	slowBytes = 1 << 10
	slowRest  = 50 * time.Millisecond
)

// openTimeout is how long opening may stand still.
const openTimeout = 30 * time.Second

// reader reads viewers that it has connected.
type reader interface {
	// open connects, sends request and from then on lets v take what comes back. It may be called by
	// many goroutines at once.
	open(v *viewer, request []byte) error

	// cut cuts n connections, any of them.
	cut(n int)

	// hurry makes slow viewers read as fast as all others.
	hurry()

	// close closes all connections and waits until none is read any more.
	close()
}

// crowd is all viewers of a run.
type crowd struct {
	readers []reader
	tallies []*tally
	heads   chan error     // has room for all viewers, so that no reader ever waits
	again   chan returning // the same

	opened, refused atomic.Int64
	why             error // of the last that was refused
}

func newCrowd(c Config, stream *target, ms marks, now func() int64) (*crowd, error) {
	if err := checkFiles(c.Viewers + c.Publishers); err != nil {
		return nil, err
	}
	all := &crowd{heads: make(chan error, c.Viewers), again: make(chan returning, c.Viewers)}
	for range readers {
		var r reader
		job := &crew{tally: newTally(), marks: ms, now: now, heads: all.heads}
		if c.Mode == Replay {
			job.want = int64(c.Events)
		}
		if c.disturbed() {
			job.again = func(v *viewer) { all.again <- returning{v, r, time.Now().Add(awayTime)} }
		}
		var err error
		if r, err = newReader(stream, job); err != nil {
			all.close()
			return nil, err
		}
		all.readers, all.tallies = append(all.readers, r), append(all.tallies, job.tally)
	}
	return all, nil
}

func (all *crowd) close() {
	for _, r := range all.readers {
		r.close()
	}
}

func (all *crowd) hurry() {
	for _, r := range all.readers {
		r.hurry()
	}
}

func (all *crowd) delivered() (n int64) {
	for _, t := range all.tallies {
		n += t.delivered.Load()
	}
	return n
}

// last is when the latest event came.
func (all *crowd) last() (at int64) {
	for _, t := range all.tallies {
		at = max(at, t.last.Load())
	}
	return at
}

// open opens n viewers, the i-th made by newViewer, and returns when all are open or refused. That none
// is open is an error.
func (all *crowd) open(ctx context.Context, n int, request []byte, newViewer func(i int64) *viewer) error {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	room := make(chan struct{}, maxOpening)
	var next atomic.Int64
	for range dialers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				select {
				case room <- struct{}{}:
				case <-ctx.Done():
					return
				}
				if err := all.readers[i%readers].open(newViewer(i), request); err != nil {
					all.heads <- err
				}
			}
		})
	}
	if err := all.await(ctx, n, room); err != nil {
		return err
	}
	if all.opened.Load() == 0 {
		return fmt.Errorf("no viewer was opened: %w", all.why)
	}
	return nil
}

// await waits for the answers to n viewers. Each makes room for another.
func (all *crowd) await(ctx context.Context, n int, room <-chan struct{}) error {
	stuck := time.NewTimer(openTimeout)
	defer stuck.Stop()
	for done := range n {
		select {
		case err := <-all.heads:
			<-room
			stuck.Reset(openTimeout)
			if err != nil {
				all.refused.Add(1)
				all.why = err
			} else {
				all.opened.Add(1)
			}
		case <-stuck.C:
			all.refused.Add(int64(n - done))
			all.why = errors.New("no response in time")
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
