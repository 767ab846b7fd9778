// Package browser tests what a page in a real browser sees of the program: Chromium's own
// EventSource, with nothing of ours on its side.
package browser

import (
	"os"
	"testing"

	"github.com/millrace/millrace/tests/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// newAcme starts a server with the tenant acme. Where there is no browser it skips the test first.
func newAcme(t *testing.T) *program.Server {
	t.Helper()
	chromium(t)
	s := program.Start(t)
	s.Put("/v1/tenants/acme", nil)
	return s
}
