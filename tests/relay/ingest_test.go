package relay

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/tests/program"
)

// BenchmarkIngest takes 50,000 events of 200 bytes from one remote on loopback into history: as they
// are, by callbacks in Go, and from a remote that writes them a few at a time.
func BenchmarkIngest(b *testing.B) {
	const events = 50_000
	es := sourcetest.Plain(events)
	for i := range es {
		es[i].Data = strings.Repeat("0123456789", 20)
	}
	stream := sourcetest.Stream(append(es, abi.Event{Data: source.DefaultDone}))
	for _, bb := range []struct {
		name, plugin string
		step         int // bytes that the remote writes at once; 0 is all
	}{{"plain", "", 0}, {"onEvent", "pass", 0}, {"onChunk", "send", 0}, {"small writes", "", 500}} {
		b.Run(bb.name, func(b *testing.B) {
			remote := sourcetest.NewServer(sourcetest.New(sourcetest.Always(sourcetest.Reply{Body: stream, Trickle: bb.step})))
			b.Cleanup(remote.Close)
			s := startAcme(b)
			if bb.plugin != "" {
				s.Put("/v1/tenants/acme/plugins/"+bb.plugin, guest(b, bb.plugin))
			}
			put(s, "warm-up", source.Config{URL: remote.URL, Subject: "in", Plugin: bb.plugin})
			ingest(b, s, "warm-up", events)
			before := usageOf(b, s)
			n := 0
			for b.Loop() {
				n++
				name := fmt.Sprint("in-", n)
				put(s, name, source.Config{URL: remote.URL, Subject: "in", Plugin: bb.plugin})
				ingest(b, s, name, events)
			}
			b.ReportMetric(float64(events*n)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric((usageOf(b, s).cpu-before.cpu)*1e6/float64(events*n), "cpu-µs/event")
		})
	}
}

// ingest waits until a source has taken its stream, and deletes it.
func ingest(b *testing.B, s *program.Server, name string, events uint64) {
	b.Helper()
	await(b, "the stream's end", func() bool { return statusOf(s, name).State == source.Done })
	if got := statusOf(s, name); got.Stored != events+1 { // and the end mark
		b.Fatalf("%d events are stored, want %d: %+v", got.Stored, events+1, got)
	}
	s.Must(http.MethodDelete, "/v1/tenants/acme/sources/"+name, nil)
}

// guest builds a plugin of testdata and returns its bytes.
func guest(b *testing.B, name string) []byte {
	b.Helper()
	out := filepath.Join(b.TempDir(), name+".wasm")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-buildmode=c-shared", "-o", out, "./testdata/"+name)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", name, err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		b.Fatal(err)
	}
	return wasm
}
