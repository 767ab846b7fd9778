// Package checker holds what viewers received against what was acknowledged, in the manner of Jepsen's
// checkers for sets and logs.
//
// Its input is a History: the events that publishers have acknowledgements for, all that is stored at
// the end, and for each viewer the list of what it met, in order. Its output is a Report: every event
// that was lost, doubled, out of order, changed, given to the wrong viewer, or seen and then forgotten,
// with the few steps that prove it.
//
// Events carry the number that their publisher gave them. Ids are compared, never understood. The
// package does no input or output and knows no time.
package checker

// Event is one event, as its payload tells it.
type Event struct {
	Subject string
	Number  int    // from 0 on each subject, in the order in which it was published
	ID      string // as the server gave it; empty where it is not known
}

// History is all that is known of one run.
type History struct {
	// Acknowledged are the events that must be stored, in any order. Those of remote sources, for
	// which nobody gets an acknowledgement, are here without an ID.
	Acknowledged []Event

	Stored  []Event // what a reader of all history got once all was over, in order
	Viewers []Viewer
}

// Viewer is what one viewer met from the beginning of history on.
type Viewer struct {
	Name     string
	Subjects []string // what it was to receive
	Steps    []Step
}

// Step is one thing that a viewer met.
type Step struct {
	Kind  StepKind
	Event Event  // if it was received
	Note  string // of any other step, for the reader of a report
}

// StepKind says what a Step is.
type StepKind uint8

// The kinds of steps.
const (
	Received  StepKind = iota
	Connected          // a stream is open; the note says where and after which id
	Broken             // it ended, or could not be opened
	Told               // the server told of a loss: a gap or a reset
	Refused            // an answer at which a browser's EventSource gives up
)

// Check compares. Its time grows with the sum of what was received.
func Check(h History) Report {
	r := Report{Acknowledged: len(h.Acknowledged), Stored: len(h.Stored), Viewers: len(h.Viewers)}
	log := newLog(h.Stored)
	log.check(&r, h.Acknowledged)
	for _, v := range h.Viewers {
		log.checkViewer(&r, v)
	}
	return r
}
