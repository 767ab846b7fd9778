package program

import (
	"bytes"
	"strings"
	"sync"
)

// maxOutput bounds what is kept of a server's output, in bytes.
const maxOutput = 4 << 20

// output keeps the end of what a server prints, over all its runs, and the lines that tell of a
// fault in the program itself.
type output struct {
	mu     sync.Mutex
	text   []byte
	line   []byte // the unfinished one
	faults []string
}

// faultMarks begin, or are in, lines that no correct program prints.
var faultMarks = []string{"panic: ", "fatal error: ", "WARNING: DATA RACE", "handler panicked"}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	if len(o.text) > maxOutput {
		o.text = append(o.text[:0], o.text[len(o.text)-maxOutput/2:]...)
	}
	for rest := b; ; {
		line, after, found := bytes.Cut(rest, []byte{'\n'})
		o.line = append(o.line, line...)
		if !found {
			return len(b), nil
		}
		o.look(string(o.line))
		o.line, rest = o.line[:0], after
	}
}

func (o *output) look(line string) {
	for _, mark := range faultMarks {
		if strings.Contains(line, mark) && len(o.faults) < 20 {
			o.faults = append(o.faults, line)
			return
		}
	}
}

func (o *output) all() (text string, faults []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text), o.faults
}
