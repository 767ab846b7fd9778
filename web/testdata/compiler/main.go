// Command compiler compiles plugins for the tests' hosts, in a process of its own as in production. It
// is built without the race detector, under which that takes ten times as long.
package main

import (
	"fmt"
	"os"

	"github.com/millrace/millrace/host"
)

func main() {
	if err := host.CompileMain(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
