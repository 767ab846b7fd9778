package broker

import (
	"slices"
	"strings"
	"sync"

	"github.com/millrace/millrace/abi"
)

// filter is what the subscriptions of a hub with the same patterns share: the list of recent events
// that match, and one wake-up.
type filter struct {
	patterns []string // minimal and sorted
	key      string
	subs     int // guarded by hub.mu

	mu    sync.Mutex
	list  queue
	floor uint64        // all matching events after it, up to what the hub has handed on, are in list
	wake  chan struct{} // closed at the next event; nil while nobody waits
	mark  uint64        // of the last search that found it, see index
}

func newFilter(patterns []string) *filter {
	return &filter{patterns: patterns, key: strings.Join(patterns, " ")}
}

// matches tells whether one of the patterns covers subject.
func (f *filter) matches(subject string) bool {
	return slices.ContainsFunc(f.patterns, func(p string) bool { return covers(p, subject) })
}

// add appends a matching event and wakes those who wait.
func (f *filter) add(e *abi.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list.push(e)
	f.signal()
}

// evict drops e if it is the first in the list: it has left the ring.
func (f *filter) evict(e *abi.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if events := f.list.all(); len(events) > 0 && events[0] == e {
		f.list.pop()
		f.floor = e.Seq
	}
}

// putBack puts matching events before the first, which are all that lie behind from and left the ring.
func (f *filter) putBack(events []*abi.Event, from uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list.unpop(events)
	f.floor = min(f.floor, from)
}

// reset empties the list, and wakes those who wait so that they read history up to seq.
func (f *filter) reset(seq uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.floor = queue{}, seq
	f.signal()
}

func (f *filter) signal() {
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}

// read returns up to limit events after cursor. Without any it returns a channel that is closed at
// the next. When cursor is before the floor, behind is true: history has to be read.
func (f *filter) read(cursor uint64, limit int) (events []*abi.Event, wake <-chan struct{}, behind bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if cursor < f.floor {
		return nil, nil, true
	}
	if later := f.list.after(cursor); len(later) > 0 {
		return slices.Clone(later[:min(len(later), limit)]), nil, false
	}
	if f.wake == nil {
		f.wake = make(chan struct{})
	}
	return nil, f.wake, false
}

// begin is the floor: what is after it need not be read from history.
func (f *filter) begin() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.floor
}
