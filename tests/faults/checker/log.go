package checker

import (
	"cmp"
	"fmt"
	"slices"
)

// log is the stored history, which all viewers have to agree with.
type log struct {
	events []Event
	byID   map[string]int
}

func newLog(stored []Event) *log {
	l := &log{stored, make(map[string]int, len(stored))}
	for i, e := range stored {
		if _, taken := l.byID[e.ID]; !taken {
			l.byID[e.ID] = i
		}
	}
	return l
}

// name is what an event is but for its id.
type name struct {
	subject string
	number  int
}

func (e Event) name() name { return name{e.Subject, e.Number} }

// check holds the log against what was acknowledged, and against itself: each event is there once,
// and each subject's numbers count up.
func (l *log) check(r *Report, acknowledged []Event) {
	first := l.checkNames(r)
	l.checkOrder(r)
	ids := make(map[string]Event, len(acknowledged))
	for _, e := range sorted(acknowledged) {
		at, ok := first[e.name()]
		if !ok {
			r.add(Anomaly{Kind: Lost, Event: e, Note: "it was acknowledged and is not stored", Witness: l.around(e)})
			continue
		}
		if e.ID == "" {
			continue
		}
		if l.events[at].ID != e.ID {
			r.add(Anomaly{Kind: Changed, Event: e, Note: "it is stored under another id", Witness: l.show(at)})
		}
		if other, taken := ids[e.ID]; taken && other.name() != e.name() {
			r.add(Anomaly{Kind: Changed, Event: e, Note: "its id was acknowledged for another event too", Witness: []string{other.String()}})
		}
		ids[e.ID] = e
	}
}

// sorted makes reports the same whoever's acknowledgement came first.
func sorted(events []Event) []Event {
	return slices.SortedFunc(slices.Values(events), func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Number, b.Number))
	})
}

// checkNames finds events and ids that are stored twice. It returns where each event is first.
func (l *log) checkNames(r *Report) map[name]int {
	first := make(map[name]int, len(l.events))
	for i, e := range l.events {
		if at, twice := first[e.name()]; twice {
			r.add(Anomaly{Kind: Doubled, Event: e, Note: "it is stored twice", Witness: l.show(at, i)})
		} else {
			first[e.name()] = i
		}
		if at := l.byID[e.ID]; at != i {
			r.add(Anomaly{Kind: Changed, Event: e, Note: "its id is another stored event's too", Witness: l.show(at, i)})
		}
	}
	return first
}

// checkOrder finds events that are stored before one with a smaller number.
func (l *log) checkOrder(r *Report) {
	highest := map[string]int{} // per subject, where its highest number is
	for i, e := range l.events {
		at, ok := highest[e.Subject]
		if ok && l.events[at].Number > e.Number {
			r.add(Anomaly{Kind: Disordered, Event: e, Note: "it is stored after a later one", Witness: l.show(at, i)})
			continue
		}
		highest[e.Subject] = i
	}
}

// around shows the stored neighbours of an event on its subject.
func (l *log) around(e Event) []string {
	before, after := -1, -1
	for i, s := range l.events {
		if s.Subject != e.Subject {
			continue
		}
		if s.Number < e.Number && (before < 0 || s.Number > l.events[before].Number) {
			before = i
		}
		if s.Number > e.Number && (after < 0 || s.Number < l.events[after].Number) {
			after = i
		}
	}
	return l.show(slices.DeleteFunc([]int{before, after}, func(i int) bool { return i < 0 })...)
}

func (l *log) show(at ...int) []string {
	lines := make([]string, len(at))
	for i, at := range at {
		lines[i] = fmt.Sprintf("stored as number %d of all: %s", at, l.events[at])
	}
	return lines
}
