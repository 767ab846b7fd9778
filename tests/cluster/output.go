package cluster

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// maxOutput bounds what is kept of what a program prints, in bytes.
const maxOutput = 4 << 20

// output keeps the end of what a program prints, over all its runs.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	if len(o.text) > maxOutput {
		o.text = append(o.text[:0], o.text[len(o.text)-maxOutput/2:]...)
	}
	return len(b), nil
}

// show fails the test if the program has met a fault of its own, and shows all if the test failed.
func (o *output) show(t testing.TB, name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range strings.Lines(string(o.text)) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "WARNING: DATA RACE") {
			t.Errorf("%s printed: %s", name, line)
		}
	}
	if t.Failed() {
		fmt.Fprintf(t.Output(), "--- what %s printed\n%s---\n", name, o.text)
	}
}
