// Package crowd tests that every viewer of a large and badly behaved crowd gets every event once and in
// order, and that the crowd's behaviour costs the server no memory.
package crowd

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/bench"
	"github.com/millrace/millrace/tests/program"
)

var long = flag.Bool("long", false, "15,000 viewers for two minutes, which needs 20,000 open files")

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// crowd is how many viewers there are and for how long. Some of them cannot read as fast as events come,
// and some are cut each second and come back with their last id.
type crowd struct {
	viewers  int
	duration time.Duration
}

// Events come faster than the 20 KiB a second that a slow viewer reads.
const (
	slowPercent = "5"
	cutPercent  = "2"
	rate        = "12.5"
	eventBytes  = "2000"
)

func TestEachOfACrowdGetsAllInOrder(t *testing.T) {
	c := crowd{1000, 10 * time.Second}
	if *long {
		c = crowd{15_000, 2 * time.Minute}
	}
	s := program.Start(t)
	memory := watchMemory(t, s)
	judge(t, c, run(t, s, c))
	memory.judge(t)
}

// TestNoRacesInACrowd has the program built with the race detector, whose reports fail the test.
func TestNoRacesInACrowd(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "millrace-race")
	build := exec.CommandContext(t.Context(), "go", "build", "-race", "-buildvcs=false", "-o", binary, "../..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	client := program.Binary()
	t.Setenv("MILLRACE_BINARY", binary)
	s := program.Start(t)
	t.Setenv("MILLRACE_BINARY", client)
	c := crowd{500, 10 * time.Second}
	judge(t, c, run(t, s, c))
	if status := s.Stop(); status != 0 { // 66 is what the detector ends with
		t.Errorf("the server ended with status %d", status)
	}
}

// run has the crowd in a process of its own.
func run(t *testing.T, s *program.Server, c crowd) (r bench.Report) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program.Binary(), "bench", "rate", "--json",
		"--server", s.URL, "--token", s.Token, "--viewers", fmt.Sprint(c.viewers), "--duration", c.duration.String(),
		"--rate", rate, "--bytes", eventBytes, "--slow", slowPercent, "--cut", cutPercent)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		t.Fatalf("bench: %v\n%s%s", err, out, &stderr)
	}
	return r
}

// judge holds a report to what was promised, and to there having been something to go wrong.
func judge(t *testing.T, c crowd, r bench.Report) {
	t.Helper()
	t.Logf("%d viewers had %d events each: %d deliveries in %.0f s, p50 %.1f ms, p99 %.1f ms; %d came back, of whom the server had cut %d",
		r.Viewers, r.Published, r.Delivered, r.Seconds, r.Latency.P50, r.Latency.P99, r.Resumed, r.Cut)
	if r.Viewers != int64(c.viewers) || r.Refused > 0 || r.PublishErrors > 0 {
		t.Errorf("%d viewers were opened and %d refused (%s); %d events were refused (%s)",
			r.Viewers, r.Refused, r.Refusal, r.PublishErrors, r.PublishError)
	}
	if r.Lost+r.Repeated+r.OutOfOrder > 0 || r.Delivered != r.Published*r.Viewers {
		t.Errorf("of %d deliveries %d came, %d lost, %d repeated, %d out of order",
			r.Expected, r.Delivered, r.Lost, r.Repeated, r.OutOfOrder)
	}
	if due := float64(c.viewers) * c.duration.Seconds() * 0.02; float64(r.Resumed) < due/2 {
		t.Errorf("%d came back, where about %.0f were cut", r.Resumed, due)
	}
	if behind := 1000.0; r.Latency.Max < behind {
		t.Errorf("no slow viewer was ever more than %.0f ms behind", r.Latency.Max)
	}
}
