package host_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/host"
	"go.uber.org/goleak"
)

// scratch holds the gopher and its compiled code for all tests of a run: making both takes seconds.
var scratch string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == compilerArgument {
		beCompiler(os.Args[2:])
		return
	}
	var err error
	if scratch, err = os.MkdirTemp("", "host-test-*"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(scratch)
		os.Exit(code)
	}))
}

// built builds testdata/gopher once.
var built = sync.OnceValues(func() ([]byte, error) {
	wasm := filepath.Join(scratch, "gopher.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", wasm, "./testdata/gopher")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(wasm)
})

func gopher(t testing.TB) []byte {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the Go toolchain to build a plugin")
	}
	wasm, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// gopherStage is a stage for the gopher.
func gopherStage(t testing.TB, c host.Config) *stage {
	t.Helper()
	wasm := gopher(t)
	c.CacheDir = filepath.Join(scratch, "cache")
	return set(t, c, wasm)
}

// do runs the gopher's stream on s.
func (s *stage) do(ctx context.Context, what string) error {
	session := s.session()
	session.Body = []byte(what)
	return s.plugin.Stream(ctx, session)
}

func TestGopherInfo(t *testing.T) {
	s := gopherStage(t, host.Config{})
	info := s.plugin.Info()
	if info.Language != "go" || strings.Join(info.Exports, " ") != "onStream onEvent" {
		t.Errorf("info is %+v", info)
	}
}

// TestStreamEndWakes ends a stream whose guest waits, in each way that it can wait. The guest must
// leave by itself: the grace is long.
func TestStreamEndWakes(t *testing.T) {
	for _, what := range []string{"time.Sleep", "goroutines sleep", "ticker", "sleep", "receive"} {
		t.Run(what, func(t *testing.T) {
			s := gopherStage(t, host.Config{Grace: time.Hour})
			ctx, end := context.WithCancel(context.Background())
			defer end()
			result := make(chan error, 1)
			go func() { result <- s.do(ctx, what) }()
			await(t, "it waits", func() bool { return len(s.viewer.data()) == 1 })
			end()
			select {
			case err := <-result:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Fatal("it did not wake")
			}
			if got := s.viewer.data(); what == "time.Sleep" && len(got) != 1 {
				t.Errorf("it sent %v, also after the end", got)
			}
		})
	}
}

func TestGuestThatSleepsOnIsStopped(t *testing.T) {
	s := gopherStage(t, host.Config{Grace: 100 * time.Millisecond})
	ctx, end := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- s.do(ctx, "sleeps on") }()
	await(t, "it sleeps", func() bool { return len(s.viewer.data()) == 1 })
	end()
	wantTrap(t, <-result, host.LimitGrace, "")
	// Its clock jumps an hour with each sleep, yet it must not spin.
	if n := len(s.tenant.published["slept"]); n == 0 || n > 1000 {
		t.Errorf("it slept %d times within 100 ms, want about as many", n)
	}
}

func TestGopherFailures(t *testing.T) {
	s := gopherStage(t, host.Config{})
	trap := wantTrap(t, s.do(t.Context(), "panic"), "", "unreachable")
	if log := s.lines.text(); !strings.Contains(log, "WARN panic: at the end of my rope") {
		t.Errorf("log is %q, want the panic; trap is %+v", log, trap)
	}
	wantTrap(t, s.do(t.Context(), "exit"), "", "exit code 7")
	wantTrap(t, s.do(t.Context(), "memory"), "", "unreachable")
	if log := s.lines.text(); !strings.Contains(log, "out of memory") {
		t.Errorf("log is %q, want it to tell that memory ran out", log)
	}
	if stats := s.host.Stats(); stats.Instances != 0 {
		t.Errorf("%d instances are left", stats.Instances)
	}
}

func TestGopherPrints(t *testing.T) {
	s := gopherStage(t, host.Config{})
	if err := s.do(t.Context(), "print"); err != nil {
		t.Fatal(err)
	}
	if got, want := s.lines.text(), "INFO to stdout\nWARN to stderr\nINFO unfinished"; got != want {
		t.Errorf("log is %q, want %q", got, want)
	}
}

func TestSurroundings(t *testing.T) {
	s := gopherStage(t, host.Config{})
	for range 2 {
		if err := s.do(t.Context(), "surroundings"); err != nil {
			t.Error(err)
		}
	}
	if got := s.viewer.data(); len(got) != 2 || got[0] == got[1] {
		t.Errorf("two instances drew the random bytes %v", got)
	}
}

// TestClockGoesOn lets instances look at the time that begin with a snapshot taken before.
func TestClockGoesOn(t *testing.T) {
	s := gopherStage(t, host.Config{})
	if !s.plugin.Info().Snapshot {
		t.Errorf("no snapshot: %+v", s.plugin.Info())
	}
	for range 3 {
		for _, what := range []string{"nap", "surroundings"} {
			if err := s.do(t.Context(), what); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

func TestGopherEvents(t *testing.T) {
	s := gopherStage(t, host.Config{IdleInstances: 1, EventTimeout: 5 * time.Second})
	count := func(want string) {
		t.Helper()
		o, err := s.event("count")
		if err != nil || len(o.Outputs) != 1 || o.Outputs[0].Data != want || o.Pass || o.Close {
			t.Errorf("outcome is %+v, %v, want %s", o, err, want)
		}
	}
	count("1")
	count("2")
	if o, err := s.event("close"); err != nil || !o.Close || !o.Pass {
		t.Errorf("outcome is %+v, %v, want it to close and pass", o, err)
	}
	if _, err := s.event("error"); err == nil {
		t.Error("an error is lost")
	}
	count("3")
	wantTrap(t, second(s.event("panic")), "", "unreachable")
	count("1")
}

func TestSleepInAnEventRunsOutOfTime(t *testing.T) {
	s := gopherStage(t, host.Config{EventTimeout: 50 * time.Millisecond})
	wantTrap(t, second(s.event("sleep")), host.LimitEvent, "")
}
