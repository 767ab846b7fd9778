// Package capacity measures what the things that a server holds and does cost it. docs/capacity.md
// names the figures, and bench/capacity reckons with them.
//
// Each benchmark runs once, however long it is to run, and looks at the servers' own measure of
// their memory and processor time, so that other work on the machine disturbs little.
package capacity

import (
	"os"
	"testing"

	"github.com/millrace/millrace/tests/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }
