package cluster

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// maxOutput bounds what is kept of what a program prints, maxLine what is looked at of one line, in bytes.
const (
	maxOutput = 4 << 20
	maxLine   = 16 << 10
)

// output keeps the end of what a program prints, over all its runs, its own faults, and when it last
// said that it leads something.
type output struct {
	mu     sync.Mutex
	text   []byte
	line   []byte // the unfinished one
	faults []string
	leads  map[Lead]time.Time
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	if len(o.text) > maxOutput {
		o.text = append(o.text[:0], o.text[len(o.text)-maxOutput/2:]...)
	}
	for rest := b; ; {
		line, after, found := bytes.Cut(rest, []byte{'\n'})
		o.line = append(o.line, line[:min(len(line), maxLine-len(o.line))]...)
		if !found {
			return len(b), nil
		}
		o.look(string(o.line))
		o.line, rest = o.line[:0], after
	}
}

// look notes what a whole line says. The caller holds the mutex.
func (o *output) look(line string) {
	for _, begin := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE"} {
		if strings.HasPrefix(line, begin) && len(o.faults) < 20 {
			o.faults = append(o.faults, line)
		}
	}
	for _, lead := range []Lead{Metadata, History} {
		if strings.Contains(line, lead.said()) {
			if o.leads == nil {
				o.leads = map[Lead]time.Time{}
			}
			o.leads[lead] = time.Now() // not the line's own time, since clocks are made to jump
		}
	}
}

// led is when the program last said that it leads now; zero if it never did.
func (o *output) led(lead Lead) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.leads[lead]
}

// show fails the test if the program has met a fault of its own, and shows all if the test failed.
func (o *output) show(t testing.TB, name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, line := range o.faults {
		t.Errorf("%s printed: %s", name, line)
	}
	if t.Failed() {
		fmt.Fprintf(t.Output(), "--- what %s printed\n%s---\n", name, o.text)
	}
}
