package bench_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/bench"
)

// run runs to a report that must come without an error.
func run(t *testing.T, c bench.Config) bench.Report {
	t.Helper()
	r, err := bench.Run(t.Context(), c)
	if err != nil {
		t.Fatalf("Run = %v\n%+v", err, r)
	}
	return r
}

func TestEveryModeCountsAllThatAnHonestServerDelivers(t *testing.T) {
	for _, mode := range []bench.Mode{bench.Rate, bench.Saturate, bench.Replay} {
		s := newServer(t)
		r := run(t, s.config(mode))
		if r.Viewers != 20 || r.Refused+r.Cut+r.PublishErrors+r.Lost+r.Repeated+r.OutOfOrder != 0 {
			t.Errorf("%s: %+v", mode, r)
		}
		if r.Published == 0 || r.Delivered != 20*r.Published || r.Expected != r.Delivered {
			t.Errorf("%s: %d published and %d delivered to 20, want all", mode, r.Published, r.Delivered)
		}
		times := r.Latency
		if mode == bench.Replay {
			times = r.Completed
		}
		if times == nil || times.P50 <= 0 || times.P50 > times.P99 || times.P99 > times.Max || len(r.Histogram) == 0 {
			t.Errorf("%s: times %+v, histogram %v", mode, times, r.Histogram)
		}
	}
}

func TestTheRateIsKept(t *testing.T) {
	r := run(t, newServer(t).config(bench.Rate)) // 200 a second for 0.2 s
	if r.Published != 40 {
		t.Errorf("%d events are published, want 40", r.Published)
	}
}

func TestAReplayPublishesWhatIsMissedAndNoMore(t *testing.T) {
	s := newServer(t)
	r := run(t, s.config(bench.Replay))
	if r.Published != 30 || r.Latency != nil {
		t.Errorf("%d events are published with latency %v, want 30 and none", r.Published, r.Latency)
	}
}

func TestIdleAndPublishDoOneThingEach(t *testing.T) {
	s := newServer(t)
	r := run(t, s.config(bench.Idle))
	if viewers, events := s.asked(); r.Viewers != 20 || viewers != 20 || r.Published != 0 || events != 0 {
		t.Errorf("idle: %d viewers and %d events came; %+v", viewers, events, r)
	}
	r = run(t, s.config(bench.Publish))
	if viewers, events := s.asked(); viewers != 20 || r.Published == 0 || int64(events) < r.Published || r.Acknowledged == nil {
		t.Errorf("publish: %d viewers and %d events came; %+v", viewers, events, r)
	}
}

func TestWhatAServerDoesBadlyIsCounted(t *testing.T) {
	for _, tt := range []struct {
		name  string
		badly func(s *server)
		want  func(r bench.Report) bool
	}{
		{"an event that one viewer does not get is lost", func(s *server) {
			s.sends = func(viewer, event int) int {
				if viewer == 1 && event == 10 {
					return 0
				}
				return 1
			}
		}, func(r bench.Report) bool { return r.Lost == 1 && r.Repeated == 0 && r.OutOfOrder == 0 }},
		{"an event that comes twice is repeated", func(s *server) {
			s.sends = func(viewer, _ int) int {
				if viewer == 1 {
					return 2
				}
				return 1
			}
		}, func(r bench.Report) bool { return r.Lost == 0 && r.Repeated == 30 && r.OutOfOrder == 0 }},
		{"events in another order are out of order and not lost", func(s *server) { s.order = slices.Reverse[[]int] },
			func(r bench.Report) bool { return r.Lost == 0 && r.Repeated == 0 && r.OutOfOrder == 20*29 }},
		{"viewers that are turned away are told with the reason", func(s *server) { s.refuse = 4 },
			func(r bench.Report) bool {
				return r.Refused == 5 && r.Viewers == 15 && r.Lost == 0 && strings.Contains(r.Refusal, "429") && strings.Contains(r.Refusal, "too many")
			}},
		{"a viewer that is cut loses what comes then", func(s *server) { s.cut = 1000 },
			func(r bench.Report) bool { return r.Cut == 1 && r.CutBy != "" && r.Lost > 0 && r.Lost < 30 }},
	} {
		s := newServer(t, tt.badly)
		c := s.config(bench.Replay)
		c.Publishers, c.Drain, c.LastID = 1, 500*time.Millisecond, "0" // no probe, which would be a viewer too
		if r := run(t, c); !tt.want(r) {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
}

func TestViewersThatAreCutComeBackAndMissNothing(t *testing.T) {
	s := newServer(t)
	c := s.config(bench.Rate)
	c.Duration, c.CutShare = time.Second, 1
	r := run(t, c)
	if r.Refused != 0 || r.Resumed < 10 || r.Resumed > 20 || r.Delivered != 20*r.Published || r.Lost+r.Repeated+r.OutOfOrder+r.Cut != 0 {
		t.Errorf("%+v", r)
	}
}

func TestAViewerThatIsRefusedStaysAway(t *testing.T) {
	s := newServer(t, func(s *server) { s.refuse = 7 })
	c := s.config(bench.Rate)
	c.CutShare = 0.01
	if r := run(t, c); r.Refused != 3 || r.Viewers != 17 || r.Delivered != r.Expected {
		t.Errorf("%+v", r)
	}
}

func TestSlowViewersMissNothing(t *testing.T) {
	s := newServer(t)
	c := s.config(bench.Saturate)
	c.Duration, c.SlowShare, c.PayloadBytes = 500*time.Millisecond, 0.1, 4000
	c.InFlight = 1 << 20
	r := run(t, c)
	if r.Delivered != 20*r.Published || r.Lost+r.Repeated+r.OutOfOrder != 0 {
		t.Errorf("%+v", r)
	}
	if behind := 100.0; r.Latency.Max < behind { // 500 ms at 20 KiB a second are two events
		t.Errorf("no delivery took over %v ms, of %d events", behind, r.Published)
	}
}

func TestAServerThatRefusesAllIsAnError(t *testing.T) {
	s := newServer(t, func(s *server) { s.refuse = 1 })
	if r, err := bench.Run(t.Context(), s.config(bench.Rate)); err == nil || !strings.Contains(err.Error(), "429") || r.Refused != 20 {
		t.Errorf("Run = %v, %+v", err, r)
	}
	c := newServer(t).config(bench.Rate)
	c.Publish.URL = s.URL + "/nowhere"
	if _, err := bench.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("Run = %v, want the refusal to publish", err)
	}
}

func TestARunEndsWithItsContextAndLeavesNothing(t *testing.T) {
	s := newServer(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancel(t.Context())
	c := s.config(bench.Rate)
	c.Duration = time.Hour
	c.Progress = func(stage string, done, _ int64) {
		if stage == "publishing" && done > 5 {
			cancel()
		}
	}
	r, err := bench.Run(ctx, c)
	if !errors.Is(err, context.Canceled) || r.Published <= 5 {
		t.Errorf("Run = %v with %d published, want the context's error and what was done", err, r.Published)
	}
}

func TestOtherMachinesAreLeftAlone(t *testing.T) {
	c := newServer(t).config(bench.Rate)
	c.Stream.URL = "http://192.0.2.1/stream"
	if _, err := bench.Run(t.Context(), c); !errors.Is(err, bench.ErrNotHere) {
		t.Errorf("Run = %v, want ErrNotHere", err)
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	_, err := bench.Run(t.Context(), bench.Config{Mode: "fast", Viewers: -1, Publishers: -1, Rate: -1, PayloadBytes: 3, Duration: -1, CutShare: 2, SlowShare: -1})
	for _, want := range []string{`mode "fast"`, "-1 viewers", "-1 publishers", "rate of -1", "payload of 3", "duration is negative", "share of 2", "share of -1", "{payload}"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told in %v", want, err)
		}
	}
	for _, url := range []string{"ftp://127.0.0.1/x", "here", ""} {
		c := bench.Config{Mode: bench.Idle, Stream: bench.Request{URL: url}}
		if _, err := bench.Run(t.Context(), c); err == nil {
			t.Errorf("the URL %q is taken", url)
		}
	}
	c := bench.Config{Mode: bench.Idle, Viewers: 1_000_000, Stream: bench.Request{URL: "http://127.0.0.1:1/"}}
	if _, err := bench.Run(t.Context(), c); err == nil {
		t.Error("a million viewers are tried")
	}
}

func TestTheServerIsMeasured(t *testing.T) {
	s := newServer(t)
	c := s.config(bench.Rate)
	c.Usage = bench.Metrics(s.URL+"/metrics", "")
	r := run(t, c)
	if r.Server == nil || r.Server.EndBytes != 2_000_000 || r.Server.CPUSeconds != 0 || r.Generator != nil {
		t.Errorf("server %+v, generator %+v", r.Server, r.Generator)
	}
	c.Usage = bench.Metrics(s.URL+"/none", "")
	if r := run(t, c); r.Server != nil {
		t.Errorf("a server without figures has %+v", r.Server)
	}
}

func TestProcessesAddUp(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no /proc")
	}
	one, err := bench.Processes(os.Getpid())(t.Context())
	if err != nil || one.Memory < 1<<20 {
		t.Fatalf("this process uses %+v, %v", one, err)
	}
	two, err := bench.Processes(os.Getpid(), os.Getppid())(t.Context())
	if err != nil || two.Memory <= one.Memory/2 || two.CPU < one.CPU {
		t.Errorf("with its parent %+v, %v", two, err)
	}
	if _, err := bench.Processes(1 << 30)(t.Context()); err == nil {
		t.Error("a process that is not there has been measured")
	}
}

func TestTheReportReads(t *testing.T) {
	var b strings.Builder
	r := bench.Report{
		Mode: bench.Rate, PayloadBytes: 200, Viewers: 1000, Refused: 2, Refusal: "full", OpeningSeconds: 0.5,
		Published: 1234567, PublishesPerSecond: 100, Expected: 3000, Delivered: 2999, Lost: 1, Seconds: 10,
		Latency:   &bench.Quantiles{P50: 1.5, Max: 20},
		Histogram: []bench.Bar{{UpTo: 1, Count: 10}, {UpTo: 2}, {UpTo: 5, Count: 1}},
		Server:    &bench.Cost{CPUSeconds: 3, CPUPerMillion: 5.2, EmptyBytes: 1 << 20, FullBytes: 3 << 20, EndBytes: 4 << 20, BytesPerViewer: 2097},
	}
	if err := r.Print(&b, 60); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"viewers        1,000 in 0.5 s; 2 refused: full\n",
		"published      1,234,567 of 200 bytes, 100 a second\n",
		"lost           1\n", "p50 1.5 ms", "5.2 s a million deliveries", "2,097 bytes a viewer",
		fmt.Sprintf("to       1 ms           10  %s\n", strings.Repeat("█", 30)),
		"to       2 ms            0\n", "to       5 ms            1  ███\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not printed in\n%s", want, b.String())
		}
	}
}
