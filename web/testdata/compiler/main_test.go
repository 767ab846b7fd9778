// Package compiler compiles plugins for the tests' hosts, in a process of its own as in production. It
// is built without the race detector, under which compiling takes ten times as long, and as a test,
// since hosts take only what a program of the same kind has compiled.
package compiler

import (
	"fmt"
	"os"
	"testing"

	"github.com/millrace/millrace/host"
)

func TestMain(*testing.M) {
	if err := host.CompileMain(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
