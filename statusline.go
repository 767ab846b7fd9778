package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// statusLine shows what goes on in one line that the next one replaces, while somebody looks on.
type statusLine struct{ out io.Writer }

// show shows how far a stage is; total is 0 where it is not known.
func (l statusLine) show(stage string, done, total int64) {
	if total > 0 {
		l.printf("%s: %d of %d", stage, done, total)
	} else {
		l.printf("%s: %d", stage, done)
	}
}

func (l statusLine) printf(format string, args ...any) {
	if isTerminal(l.out) {
		fmt.Fprintf(l.out, "\r\x1b[K"+format, args...)
	}
}

func (l statusLine) clear() { l.printf("") }

// widthOf is how many columns w has; 80 for what is no terminal.
func widthOf(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}
