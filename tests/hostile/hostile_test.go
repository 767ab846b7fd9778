//go:build linux

// Package hostile uploads modules that attack the platform, and looks at what becomes of it.
//
// Each attack is refused, stopped or harmless, as the documentation says, and the plugin's log tells
// which limit it met. Afterwards the server holds no more than before. All the while a stream of
// another tenant ticks.
//
// TestHostile attacks the program as its users run it, and measures its process after each attack.
// TestNothingStays attacks a node in the process of the test, where goroutines and instances can be
// counted. TestNeighbour looks at nothing but the stream of the other tenant. Together they run each
// attack once; with the flag -long each test runs all of them, and with -short a few.
package hostile

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/tests/program"
)

var (
	long = flag.Bool("long", false, "run all attacks in each test, the neighbour's several times")
	seed = flag.Uint64("seed", rand.Uint64N(1000), "draws the attacks of a test that does not run all, any by default")
)

// compileCommand makes this binary a compiler for the node in TestNothingStays, as a server has one.
const compileCommand = "compile"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == compileCommand {
		if err := host.CompileMain(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	runtime.MemProfileRate = sampledBytes
	os.Exit(program.Main(m))
}

// all are the attacks. Their names differ. The remote is a server that they may reach.
func all(remote string) []attack {
	return slices.Concat(traps(), pointers(), texts(), growth(), bombs(), recursions(), loops(), floods(), lives(),
		opens(remote), sources(remote))
}

// every returns one of n attacks, beginning with one of the first n that the seed draws.
func every(t *testing.T, n int, attacks []attack) (some []attack) {
	t.Helper()
	t.Logf("one of %d attacks, drawn with -seed %d", n, *seed)
	for i := int(*seed % uint64(n)); i < len(attacks); i += n {
		some = append(some, attacks[i])
	}
	return some
}

// divide returns the attacks that wait for a limit of seconds, and the others.
func divide(attacks []attack) (slow, quick []attack) {
	for _, a := range attacks {
		if a.slow {
			slow = append(slow, a)
		} else {
			quick = append(quick, a)
		}
	}
	return slow, quick
}

func TestAttacksHaveNames(t *testing.T) {
	names := map[string]bool{}
	for _, a := range all("http://127.0.0.1") {
		if a.name == "" || names[a.name] {
			t.Errorf("the name %q is empty, or there twice", a.name)
		}
		if (a.guest == nil) == (a.raw == nil) {
			t.Errorf("%s: there has to be one module", a.name)
		}
		names[a.name] = true
	}
	if len(names) < 60 {
		t.Errorf("there are %d attacks", len(names))
	}
}

// TestHostile attacks the program. After each attack its process holds what it held before the first.
func TestHostile(t *testing.T) {
	t.Setenv("GOMEMLIMIT", fmt.Sprintf("%dMiB", memoryLimit))
	p := startPrey(t)
	attacks, samples := all(p.remote.url), 1000
	switch _, quick := divide(attacks); {
	case *long:
	case testing.Short():
		attacks, samples = every(t, 10, quick), 10
	default:
		attacks, samples = quick, 40
	}
	for i, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			p.attack(t, func() { a.run(t, p.client, fmt.Sprintf("t%d", i)) })
			p.settled(t)
		})
	}
	t.Run("modules cut off at every byte", func(t *testing.T) {
		p.attack(t, func() { refuseCuts(t, p.client, "cuts", samples) })
		p.settled(t)
	})
	p.neighbour.stop()
	p.neighbour.report(t)
}
