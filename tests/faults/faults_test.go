// Package faults hurts a running installation while publishers, viewers and sources use it, and checks
// that nothing acknowledged was lost, nothing came twice and all came in order.
//
// Each test logs the seed of its faults; -seed repeats them.
package faults

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/faults/checker"
	"github.com/millrace/millrace/tests/faults/workload"
	"github.com/millrace/millrace/tests/program"
)

var (
	long = flag.Bool("long", false, "run each kind of fault for five minutes, under the whole load")
	seed = flag.Uint64("seed", 0, "of the faults; 0 draws one")
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// size is how much load there is, and for how long.
func size() (c workload.Config, during time.Duration) {
	if *long {
		return workload.Config{Publishers: 20, Viewers: 300, Sources: 10}, 5 * time.Minute
	}
	return workload.Config{Publishers: 10, Viewers: 60, Sources: 5}, 8 * time.Second
}

// beside lets a test run beside others in the short form: most of its time is waiting.
func beside(t *testing.T) {
	if !*long {
		t.Parallel()
	}
}

// faultRand draws the faults of a test.
func faultRand(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("seed of the faults: %d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// judge fails the test unless all went as promised.
func judge(t *testing.T, r workload.Result, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	report := checker.Check(r.History)
	t.Logf("%s", &report)
	ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	t.Logf("viewers came back %d times; the slowest return took %s, the longest silence %s, the slowest delivery after an acknowledgement and recovery %s, at %s",
		r.Returns, ms(r.SlowestReturn), ms(r.LongestSilence), ms(r.SlowestDelivery.Took), clock(r.SlowestDelivery.At))
	t.Logf("the slowest acknowledgement took %s, the slowest answer to one try %s, the slowest event from a source %s, at %s",
		ms(r.SlowestPublish), ms(r.SlowestAnswer), ms(r.SlowestFeed.Took), clock(r.SlowestFeed.At))
	if !report.OK() {
		t.Error("the promises are broken")
	}
	if report.Deliveries == 0 || report.Acknowledged == 0 {
		t.Error("nothing happened")
	}
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// every calls do until a time is over, after a pause of least to twice that each.
func every(ctx context.Context, r *rand.Rand, least, during time.Duration, do func()) error {
	ctx, cancel := context.WithTimeout(ctx, during)
	defer cancel()
	for {
		pause := time.NewTimer(least + time.Duration(r.Int64N(int64(least))))
		select {
		case <-pause.C:
			do()
		case <-ctx.Done():
			pause.Stop()
			if cause := context.Cause(ctx); cause != context.DeadlineExceeded {
				return cause
			}
			return nil
		}
	}
}
