//go:build linux

package hostile

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/program"
)

// prey is the server under attack, as a process of its own.
type prey struct {
	client    *client
	neighbour *neighbour
	remote    *remote
	pid       int
	before    footprint // when nothing had attacked yet
	attacks   int64     // since then
}

// memoryLimit is a little more than a server holds that has nothing to do, in MiB. With that as its
// limit the runtime collects all the time while the server holds more, and gives back at once what it
// does not need. What it holds below that is not looked at: the runtime takes it as it likes. A limit
// below what lives would be in vain, as the collector gives up before it takes all of the processors.
const memoryLimit = 24

// What may stay of an attack.
const (
	tolerance = 0.05

	// tenantBytes is what the event store keeps of a tenant that was deleted, until the server ends: an
	// account without a name.
	tenantBytes = 16 << 10

	// processBytes is what comes and goes beside that in a process: a block of 8 MiB that the event store
	// keeps for 10 s when something was written to it, and the room between what lives in the heap.
	// TestNothingStays counts what lives, and allows for neither.
	processBytes = 16 << 20

	leaveWithin    = 2 * time.Minute // the remote; only a hang comes near
	comeBackWithin = 2 * time.Minute // as for these, which are more than those 10 s
)

// startPrey starts a server and a neighbour on it, and notes what it holds once it has driven
// harmless guests of each kind. The server has the environment of the test.
func startPrey(t *testing.T) *prey {
	t.Helper()
	s := program.Start(t, "--drain", "1s", "--log-level", "warn", "--allow-private-outbound")
	p := &prey{client: newClient(s.URL, s.Token), remote: startRemote(t)}
	var err error
	p.pid, err = serverAt(strings.TrimPrefix(s.URL, "http://"))
	check(t, err)
	p.neighbour = startNeighbour(t, p.client)
	warmUp(t, p.client, 3)
	p.press(t)
	p.before = p.now(t)
	p.before.memory = max(p.before.memory, memoryLimit<<20)
	t.Logf("before the attacks: %v", p.before)
	return p
}

func (p *prey) now(t *testing.T) footprint {
	t.Helper()
	f, err := footprintOf(p.pid)
	check(t, err)
	return f
}

// attack runs one attack and checks that the neighbour's stream lives.
func (p *prey) attack(t *testing.T, run func()) {
	p.neighbour.lap()
	began := time.Now()
	run()
	p.attacks++
	took := time.Since(began)
	worst, fault := p.neighbour.lap()
	if fault != nil || worst > bearable {
		t.Errorf("the neighbour's stream stood still for %v: %v", worst, fault)
	}
	t.Logf("took %v; the neighbour stood still for at most %v; %v", took.Round(time.Millisecond), worst.Round(time.Millisecond), p.now(t))
}

// settled waits until the server holds no more than before.
func (p *prey) settled(t *testing.T) {
	t.Helper()
	check(t, eventually(leaveWithin, p.remote.left))
	began := time.Now()
	var last footprint
	err := eventually(comeBackWithin, func() error {
		last = p.now(t)
		err := last.within(p.before, p.attacks*tenantBytes+processBytes)
		if err != nil {
			p.press(t)
		}
		return err
	})
	if took := time.Since(began); took > time.Second {
		t.Logf("came back after %v", took.Round(time.Millisecond))
	}
	if err != nil {
		t.Error(err)
		p.before, p.attacks = last, 0 // so that the next attack answers for itself only
	}
}

// press makes the server allocate, so that its runtime collects.
func (p *prey) press(t *testing.T) {
	t.Helper()
	for range 4 {
		status, answer, err := p.client.call(t.Context(), "PUT", "/v1/tenants/neighbour/plugins/none", make([]byte, 1<<20))
		if err != nil || status/100 != 4 {
			t.Fatalf("a module of zeros: %d, %s, %v", status, answer, err)
		}
	}
}
