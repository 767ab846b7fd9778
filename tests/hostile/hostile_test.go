//go:build hostile && linux

// Package hostile uploads modules that attack the platform, and looks at what becomes of it.
//
// Each attack is refused, stopped or harmless, as the documentation says, and the plugin's log tells
// which limit it met. Afterwards the server holds no more than before. All the while a stream of
// another tenant ticks.
//
// TestHostile attacks the program as its users run it, and measures its process. TestNothingStays
// attacks a node in the process of the test, where goroutines and instances can be counted. The flag
// -long makes more of everything, and goes several times through all.
package hostile

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/tests/program"
)

var long = flag.Bool("long", false, "attack for longer")

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
	os.Exit(program.Main(m))
}

// all are the attacks. Their names differ.
func all() []attack {
	return slices.Concat(traps(), pointers(), texts(), growth(), bombs(), recursions(), loops(), floods(), lives())
}

func TestAttacksHaveNames(t *testing.T) {
	names := map[string]bool{}
	for _, a := range all() {
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

// Bounds of what may stay. The Go runtime gives memory back when it likes to.
const (
	settleWithin = time.Minute
	tolerance    = 0.05

	// uncollected is what a server that holds little lets lie after three hundred attacks, in bytes: what
	// its collector has not taken, and what the store keeps of their events in memory. Where the
	// collector can be told to work, nothing is allowed for it.
	uncollected = 64 << 20
)

func TestHostile(t *testing.T) {
	s := program.Start(t, "--drain", "1s", "--log-level", "warn")
	p := &prey{t: t, server: s, client: newClient(s.URL, s.Token)}
	p.find()
	p.neighbour = startNeighbour(t, p.client)
	p.warmUp()
	rounds, samples := 1, 40
	if *long {
		rounds, samples = 5, 1000
	}
	for round := range rounds {
		for i, a := range all() {
			t.Run(a.name, func(t *testing.T) {
				p.attack(t, func() { a.run(t, p.client, fmt.Sprintf("t%d-%d", round, i)) })
			})
		}
	}
	t.Run("modules cut off at every byte", func(t *testing.T) {
		p.attack(t, func() { refuseCuts(t, p.client, "cuts", samples) })
	})
	p.neighbour.stop()
	p.neighbour.report(t)
	p.settled(t)
}

// prey is the server under attack, as a process of its own.
type prey struct {
	t         *testing.T
	server    *program.Server
	client    *client
	neighbour *neighbour
	pid       int
	before    footprint // when nothing had attacked yet
}

func (p *prey) find() {
	p.t.Helper()
	var err error
	p.pid, err = serverAt(strings.TrimPrefix(p.server.URL, "http://"))
	check(p.t, err)
}

// warmUp drives harmless guests of each kind, so that the server has what it keeps, and notes what
// that is.
func (p *prey) warmUp() {
	for i := range 5 {
		for _, a := range harmless() {
			a.run(p.t, p.client, fmt.Sprintf("warm-%d", i))
		}
	}
	p.settle(p.t)
	p.t.Logf("before the attacks: %v", p.before)
}

// harmless are guests that attack nothing.
func harmless() []attack {
	return []attack{
		{name: "a stream", guest: func(g *guest) { g.stream(g.survive()) }, viewers: 20, sees: survived},
		{name: "events", guest: func(g *guest) { g.event() }, viewers: 20, events: 2000, sees: nameOf(1999)},
	}
}

func (p *prey) now(t *testing.T) footprint {
	t.Helper()
	f, err := footprintOf(p.pid)
	check(t, err)
	return f
}

// settle notes the least that the server holds while it is made to let go.
func (p *prey) settle(t *testing.T) {
	t.Helper()
	p.before = p.now(t)
	for range 10 {
		p.press(t)
		f := p.now(t)
		p.before.memory = min(p.before.memory, f.memory)
		p.before.plugins, p.before.others = min(p.before.plugins, f.plugins), min(p.before.others, f.others)
	}
}

// settled waits until the server holds no more than before.
func (p *prey) settled(t *testing.T) {
	t.Helper()
	err := eventually(settleWithin, func() error {
		p.press(t)
		return p.now(t).within(p.before, uncollected)
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("before the attacks: %v, after: %v", p.before, p.now(t))
}

// press makes the server allocate, so that its runtime collects and lets go of what nobody needs.
func (p *prey) press(t *testing.T) {
	t.Helper()
	for range 32 {
		status, answer, err := p.client.call(t.Context(), "PUT", "/v1/tenants/neighbour/plugins/none", make([]byte, 256<<10))
		if err != nil || status/100 != 4 {
			t.Fatalf("a module of zeros: %d, %s, %v", status, answer, err)
		}
	}
}

// attack runs one attack and checks that the server lives and the neighbour with it. What the attack
// leaves is looked at in the end, since the runtime takes its time to give memory back.
func (p *prey) attack(t *testing.T, run func()) {
	p.neighbour.lap()
	began := time.Now()
	run()
	took := time.Since(began)
	worst, fault := p.neighbour.lap()
	if fault != nil || worst > bearable {
		t.Errorf("the neighbour's stream stood still for %v: %v", worst, fault)
	}
	t.Logf("took %v; the neighbour stood still for at most %v; %v", took.Round(time.Millisecond), worst.Round(time.Millisecond), p.now(t))
}
