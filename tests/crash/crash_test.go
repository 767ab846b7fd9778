// Package crash tests what is left when the server is ended: by SIGKILL in the midst of work, and by
// SIGTERM with viewers.
package crash

import (
	"os"
	"testing"

	"github.com/millrace/millrace/tests/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }
