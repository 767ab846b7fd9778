package relay

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/tests/program"
)

// BenchmarkIngest takes events of 200 bytes from one remote on loopback into history: as they are, by
// callbacks in Go, and from a remote that pauses after each, so that no two are stored together.
func BenchmarkIngest(b *testing.B) {
	const many, few = 50_000, 2000
	for _, bb := range []struct {
		name, plugin string
		events       int
		pause        time.Duration // between two events
	}{
		{"plain", "", many, 0},
		{"onEvent", "pass", many, 0},
		{"onChunk", "send", many, 0},
		{"one by one", "", few, 5 * time.Millisecond},
	} {
		b.Run(bb.name, func(b *testing.B) {
			remote := sourcetest.NewServer(sourcetest.New(sourcetest.Always(reply(bb.events, bb.pause))))
			b.Cleanup(remote.Close)
			s := startAcme(b)
			if bb.plugin != "" {
				s.Put("/v1/tenants/acme/plugins/"+bb.plugin, guest(b, bb.plugin))
			}
			config := source.Config{URL: remote.URL, Subject: "in", Plugin: bb.plugin}
			ingest(b, s, remote, "warm-up", config, bb.events)
			before := usageOf(b, s)
			n := 0
			for b.Loop() {
				n++
				ingest(b, s, remote, fmt.Sprint("in-", n), config, bb.events)
			}
			events := float64(n * bb.events)
			b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric((usageOf(b, s).cpu-before.cpu)*1e6/events, "cpu-µs/event")
		})
	}
}

// reply sends so many events and the end mark, all at once if there is no pause.
func reply(events int, pause time.Duration) sourcetest.Reply {
	es := sourcetest.Plain(events)
	for i := range es {
		es[i].Data = strings.Repeat("0123456789", 20)
	}
	y := sourcetest.Reply{Body: sourcetest.Stream(append(es, abi.Event{Data: source.DefaultDone})), Pause: pause}
	if pause > 0 {
		y.Trickle = len(y.Body) / (events + 1) // an event, but for a few bytes
	}
	return y
}

// ingest makes a source, waits until it has taken its stream, and deletes it.
func ingest(b *testing.B, s *program.Server, remote *sourcetest.Server, name string, config source.Config, events int) {
	b.Helper()
	before := remote.Counts().Connections
	put(s, name, config)
	sent := func(c sourcetest.Counts) bool { return c.Connections > before && c.Open == 0 }
	if err := remote.Wait(b.Context(), sent); err != nil { // so that few questions burden the server
		b.Fatal(err)
	}
	await(b, "the stream's end", func() bool { return statusOf(s, name).State == source.Done })
	if got := statusOf(s, name); got.Stored != uint64(events)+1 { // and the end mark
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
