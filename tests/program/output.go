package program

import (
	"bytes"
	"strings"
	"sync"
)

// maxOutput bounds what is kept of a server's output, maxLine what is looked at of one line, in bytes.
const (
	maxOutput = 4 << 20
	maxLine   = 16 << 10
)

// output keeps the end of what a server prints, over all its runs, and the lines that tell of a
// fault in the program itself.
type output struct {
	mu     sync.Mutex
	text   []byte
	line   []byte // the unfinished one
	faults []string
}

// isFault tells of a line that no correct program prints.
func isFault(line string) bool {
	for _, begin := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE"} {
		if strings.HasPrefix(line, begin) {
			return true
		}
	}
	return strings.Contains(line, `msg="handler panicked"`)
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
		if isFault(string(o.line)) && len(o.faults) < 20 {
			o.faults = append(o.faults, string(o.line))
		}
		o.line, rest = o.line[:0], after
	}
}

func (o *output) all() (text string, faults []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text), o.faults
}
