package capacity

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/cluster"
	"github.com/millrace/millrace/tests/program"
)

// nodes are servers that run, each with a client of its own.
type nodes []*program.Client

func start(b *testing.B, n int) nodes {
	b.Helper()
	var all nodes
	for _, node := range cluster.Start(b, cluster.Config{Nodes: n}).Nodes {
		all = append(all, program.NewClient(b, node.URL, node.Token))
	}
	return all
}

// usage is what all nodes use together.
type usage struct {
	memory float64 // resident, in bytes
	cpu    float64 // since they started, in seconds
}

func (ns nodes) usage(b *testing.B) (sum usage) {
	b.Helper()
	for _, c := range ns {
		text := string(c.Must(http.MethodGet, "/metrics", nil))
		sum.memory += metric(b, text, "process_resident_memory_bytes")
		sum.cpu += metric(b, text, "process_cpu_seconds_total")
	}
	return sum
}

const (
	settling = 75 * time.Second // by then all is done that comes after a write, such as snapshots of groups
	silence  = 30 * time.Second
)

// idle leaves the nodes alone until they have settled, and then for a while. It returns the memory at
// the end, and the processor time of one second of that while.
func (ns nodes) idle(b *testing.B) usage {
	b.Helper()
	<-time.After(settling)
	before := ns.usage(b)
	<-time.After(silence)
	after := ns.usage(b)
	return usage{after.memory, (after.cpu - before.cpu) / silence.Seconds()}
}

func metric(b *testing.B, text, name string) float64 {
	b.Helper()
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				b.Fatal(err)
			}
			return f
		}
	}
	b.Fatalf("the server tells no %s", name)
	return 0
}
