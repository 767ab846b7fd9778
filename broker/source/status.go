package source

import (
	"sync"
	"time"
)

// maxErrorText is how much of an error a Status has.
const maxErrorText = 4 << 10

// State is where a source stands.
type State string

// The states of a source.
const (
	Connecting State = "connecting"
	Open       State = "open"
	Waiting    State = "waiting" // for the next attempt
	Done       State = "done"    // the stream was complete, or the remote has no more
	Stopped    State = "stopped" // by its owner or its callback, or not started yet
	Failed     State = "failed"  // for good; LastError says why
)

// Status is what a source tells of itself. The counts are those since its Worker was made.
type Status struct {
	State       State     `json:"state" doc:"connecting, open, waiting, done, stopped or failed"`
	Node        string    `json:"node,omitempty" doc:"That runs it, or did last"`
	LastEventID string    `json:"lastEventId,omitempty" doc:"Of what was stored last, or what it is to begin after"`
	Events      uint64    `json:"events" doc:"Received and taken care of"`
	Stored      uint64    `json:"stored" doc:"Events in history that came of them"`
	Dropped     uint64    `json:"dropped" doc:"Events that could not be stored, or whose callback failed"`
	Bytes       uint64    `json:"bytes" doc:"Received, decoded"`
	Connections uint64    `json:"connections" doc:"Requests, successful or not"`
	Attempts    int       `json:"attempts" doc:"In a row without an event"`
	NextAttempt time.Time `json:"nextAttempt,omitzero" doc:"While waiting"`
	LastError   string    `json:"lastError,omitempty" doc:"Of this run, also one that was got over; at most 4 KiB"`
	LagMs       int64     `json:"lagMs" doc:"Milliseconds from receiving to having stored, for the oldest of the last batch"`
}

// board is a Status that many may read while its worker changes it.
type board struct {
	mu     sync.Mutex
	status Status
}

func (b *board) read() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

func (b *board) change(f func(s *Status)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.status)
}

// enter changes the state. Leaving Waiting ends what was told of the next attempt.
func (b *board) enter(state State) {
	b.change(func(s *Status) { s.State, s.NextAttempt = state, time.Time{} })
}
