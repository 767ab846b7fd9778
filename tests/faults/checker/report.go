package checker

import (
	"cmp"
	"fmt"
	"strings"
)

// Kind is what is wrong.
type Kind uint8

// The kinds of anomalies. Doubled, Disordered and Changed are of the stored history when no viewer is
// named.
const (
	Lost        Kind = iota // stored or acknowledged, and never received or not stored
	Doubled                 // received or stored twice
	Disordered              // received or stored after one that is later
	Changed                 // another event than was stored or acknowledged under its id
	Forgotten               // received, and not stored: it was there and is not any more
	Misdirected             // received by a viewer of other subjects
	Gap                     // the server told the viewer of a loss
	TurnedAway              // the viewer was answered so that a browser would not come back
	kinds
)

var kindNames = [kinds]string{"lost", "doubled", "out of order", "changed", "forgotten", "misdirected", "told of a loss", "turned away"}

func (k Kind) String() string { return kindNames[k] }

func (k StepKind) String() string {
	return [...]string{"received", "connected", "broken", "told", "refused"}[k]
}

func (e Event) String() string {
	return fmt.Sprintf("%s #%d (id %s)", e.Subject, e.Number, cmp.Or(e.ID, "unknown"))
}

// Anomaly is one thing that must not be.
type Anomaly struct {
	Kind    Kind
	Viewer  string // empty if it is in what is stored
	Event   Event
	Note    string
	Witness []string // the steps that prove it
}

func (a Anomaly) String() string {
	var b strings.Builder
	b.WriteString(a.Kind.String())
	if a.Viewer != "" {
		fmt.Fprintf(&b, ", viewer %s", a.Viewer)
	}
	if a.Event != (Event{}) {
		fmt.Fprintf(&b, ": %s", a.Event)
	}
	if a.Note != "" {
		fmt.Fprintf(&b, ": %s", a.Note)
	}
	for _, line := range a.Witness {
		b.WriteString("\n    ")
		b.WriteString(line)
	}
	return b.String()
}

// maxAnomalies bounds how many anomalies of a kind are kept. All are counted.
const maxAnomalies = 20

// Report is what Check found.
type Report struct {
	Acknowledged, Stored, Viewers int
	Deliveries, Connections       int // of all viewers

	Anomalies []Anomaly // the first 20 of each kind
	counts    [kinds]int
}

// Count is how many anomalies of a kind there are.
func (r *Report) Count(k Kind) int { return r.counts[k] }

// OK tells that nothing is wrong.
func (r *Report) OK() bool { return len(r.Anomalies) == 0 }

func (r *Report) kept(k Kind) bool { return r.counts[k] < maxAnomalies }

func (r *Report) add(a Anomaly) {
	if r.kept(a.Kind) {
		r.Anomalies = append(r.Anomalies, a)
	}
	r.counts[a.Kind]++
}

// String is a line of counts, and each anomaly that was kept.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d acknowledged, %d stored, %d deliveries to %d viewers over %d connections",
		r.Acknowledged, r.Stored, r.Deliveries, r.Viewers, r.Connections)
	for k := range kinds {
		fmt.Fprintf(&b, ", %d %s", r.counts[k], k)
	}
	for _, a := range r.Anomalies {
		fmt.Fprintf(&b, "\n%s", a)
	}
	return b.String()
}
