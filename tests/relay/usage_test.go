package relay

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/tests/program"
)

// usage is what a server tells of its process in /metrics.
type usage struct {
	memory float64 // resident, in bytes
	cpu    float64 // in seconds
}

func usageOf(t testing.TB, s *program.Server) usage {
	t.Helper()
	text := string(s.Must(http.MethodGet, "/metrics", nil))
	return usage{metric(t, text, "process_resident_memory_bytes"), metric(t, text, "process_cpu_seconds_total")}
}

func metric(t testing.TB, text, name string) float64 {
	t.Helper()
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	t.Fatalf("the server tells no %s", name)
	return 0
}
