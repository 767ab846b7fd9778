package checker

import (
	"fmt"
	"slices"
)

// checkViewer holds what a viewer received against the log. It has to be the log's events on the
// viewer's subjects, all of them, each once, in order.
func (l *log) checkViewer(r *Report, v Viewer) {
	c := &viewerCheck{log: l, report: r, viewer: v, wanted: map[string]bool{}, seen: make([]int32, len(l.events)), last: -1}
	for _, subject := range v.Subjects {
		c.wanted[subject] = true
	}
	for i, s := range v.Steps {
		switch s.Kind {
		case Received:
			r.Deliveries++
			c.received(i, s.Event)
		case Connected:
			r.Connections++
		case Told:
			c.add(Gap, Event{}, s.Note, i)
		case Refused:
			c.add(TurnedAway, Event{}, s.Note, i)
		}
	}
	c.lost()
}

type viewerCheck struct {
	log    *log
	report *Report
	viewer Viewer
	wanted map[string]bool // the viewer's subjects
	seen   []int32         // of each stored event: 1 + the step at which the viewer received it
	last   int             // the furthest stored event that it received, or -1
}

func (c *viewerCheck) received(step int, e Event) {
	at, ok := c.log.byID[e.ID]
	switch {
	case !ok:
		c.add(Forgotten, e, "no event with this id is stored", step)
		return
	case c.log.events[at].name() != e.name():
		c.add(Changed, e, "stored under this id is "+c.log.events[at].String(), step)
		return
	case !c.wanted[e.Subject]:
		c.add(Misdirected, e, "the viewer has not asked for it", step)
		return
	case c.seen[at] > 0:
		c.add(Doubled, e, "", int(c.seen[at]-1), step)
		return
	}
	if at < c.last {
		c.add(Disordered, e, "", int(c.seen[c.last]-1), step)
	}
	c.seen[at] = int32(step + 1)
	c.last = max(c.last, at)
}

// lost reports what never came. The witness is what the viewer received before and after.
func (c *viewerCheck) lost() {
	before := 0
	for at, e := range c.log.events {
		if c.seen[at] > 0 {
			before = max(before, int(c.seen[at]))
			continue
		}
		if c.wanted[e.Subject] {
			c.add(Lost, e, "", before-1, c.nextReceived(before))
		}
	}
}

// nextReceived is the first step from one on at which an event was received; the number of steps if
// there is none.
func (c *viewerCheck) nextReceived(from int) int {
	for i := max(from, 0); i < len(c.viewer.Steps); i++ {
		if c.viewer.Steps[i].Kind == Received {
			return i
		}
	}
	return len(c.viewer.Steps)
}

// maxBetween bounds how many steps between two are shown.
const maxBetween = 6

// add reports an anomaly whose proof is the given steps, one or two, and how the viewer's streams
// ended and began between them.
func (c *viewerCheck) add(kind Kind, e Event, note string, steps ...int) {
	a := Anomaly{Kind: kind, Viewer: c.viewer.Name, Event: e, Note: note}
	if c.report.kept(kind) {
		a.Witness = c.witness(steps[0], steps[len(steps)-1])
	}
	c.report.add(a)
}

func (c *viewerCheck) witness(first, last int) []string {
	lines := []string{c.show(first)}
	if last == first {
		return lines
	}
	var between []string
	for i := max(first+1, 0); i < last; i++ {
		if c.viewer.Steps[i].Kind != Received {
			between = append(between, c.show(i))
		}
	}
	if n := len(between); n > maxBetween {
		more := fmt.Sprintf("… %d more …", n-maxBetween)
		between = slices.Concat(between[:maxBetween/2], []string{more}, between[n-maxBetween/2:])
	}
	return append(append(lines, between...), c.show(last))
}

func (c *viewerCheck) show(step int) string {
	switch {
	case step < 0:
		return "the beginning"
	case step >= len(c.viewer.Steps):
		return "the end"
	}
	s := c.viewer.Steps[step]
	if s.Kind == Received {
		return fmt.Sprintf("step %d: received %s", step, s.Event)
	}
	return fmt.Sprintf("step %d: %s %s", step, s.Kind, s.Note)
}
