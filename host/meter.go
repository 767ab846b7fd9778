package host

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// meter counts the processor time of one instance. The module counts its own instructions as fuel,
// see wasm.Meter, and asks for more when it has none: that is where it can be measured, made to wait
// and stopped, and where Go's garbage collector can stop it for a moment. Only the instance's
// goroutine uses it.
type meter struct {
	grant  int64   // fuel given last
	since  reading // when that was given
	calls  int     // of the host since then
	parked bool    // since then the goroutine may have waited, and the thread worked for others
	rate   float64 // fuel that a nanosecond takes, as measured last
}

// Fuel is given for about grantTime, so that a guest can be stopped that often. One that turns slow
// between one grant and the next, as one does that leaves the processor's caches, goes on for longer:
// maxGrant bounds by how much.
const (
	grantTime = time.Millisecond
	minGrant  = 20_000
	maxGrant  = 2_000_000

	usualRate = 1.0 // until it is measured
	minRate   = float64(minGrant) / float64(grantTime)
	maxRate   = 10.0

	hostCallTime = 100 * time.Nanosecond // what a call of the host is taken for
	manyCalls    = 1000                  // of the host, from which on they are settled between events
	burnBytes    = 4096                  // from which on the host's work on them costs fuel
	mostDoubt    = 10                    // times more or less than likely that a grant is believed to have taken
	mostCounted  = 4                     // times what it should have taken, that a grant counts against a limit of the callback
)

// reading is what the clocks say, and which thread's.
type reading struct {
	wall, spent time.Duration
	thread      int
}

// took is the processor time that a grant took: as it was measured, and what of that counts against
// the limits that stop a callback. Where the machine is busy the scheduler may let others run on the
// thread before the goroutine gets to the clock, and what they took looks like the guest's. The share,
// which makes guests wait, is charged for all of it; no callback dies of it, since one grant counts
// for a few times what it should have taken at most.
type took struct{ measured, counted time.Duration }

// next measures what the last grant took and returns the next one.
func (m *meter) next(now reading) (last took, grant int64) {
	if m.grant == 0 {
		m.rate = usualRate
	} else {
		should := max(m.likely(m.grant), grantTime)
		last.measured = m.measure(now)
		last.counted = min(last.measured, mostCounted*should)
	}
	m.grant = max(minGrant, min(int64(m.rate*float64(grantTime)), maxGrant))
	m.calls, m.parked = 0, false
	return last, m.grant
}

// measure returns the processor time that the last grant took, by the thread's own clock, and no more
// than by the wall clock. A goroutine that waited, or was made to, may have changed its thread, whose
// clock then says anything: it is believed as far as it is near to what is likely.
func (m *meter) measure(now reading) time.Duration {
	spent := max(0, min(now.spent-m.since.spent, now.wall-m.since.wall))
	if m.parked || now.thread != m.since.thread {
		likely := m.likely(m.grant)
		return max(likely/mostDoubt, min(spent, likely*mostDoubt))
	}
	guest := max(spent-time.Duration(m.calls)*hostCallTime, spent/mostDoubt, 1)
	m.rate = max(minRate, min(float64(m.grant)/float64(guest), maxRate))
	return spent
}

// likely is about what that much fuel takes, and the calls of the host.
func (m *meter) likely(fuel int64) time.Duration {
	return time.Duration(float64(fuel)/m.rate) + time.Duration(m.calls)*hostCallTime
}

// metering is the module that metered modules import from.
func (h *Host) metering() wazero.HostModuleBuilder {
	b := h.runtime.NewHostModuleBuilder(wasm.MeterModule)
	b.NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(refill), nil, []api.ValueType{api.ValueTypeI64}).Export(wasm.Refill)
	b.NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(overflow), nil, nil).Export(wasm.Overflow)
	return b
}

// refill gives a guest more fuel, unless it is to be stopped.
func refill(ctx context.Context, _ api.Module, stack []uint64) {
	c := callOf(ctx)
	m := &c.instance.meter
	last, grant := m.next(c.instance.read())
	if f := c.pay(last); f != nil {
		panic(f)
	}
	if last.measured >= grantTime/2 { // for less it would cost more than it gives
		runtime.Gosched()
	}
	stack[0] = uint64(grant)
	m.since = c.instance.read()
}

func overflow(ctx context.Context, _ api.Module, _ []uint64) {
	depth := callOf(ctx).host.config.CallDepth
	panic(&fault{fmt.Sprintf("more than %d calls inside each other", depth), LimitStack})
}

func (i *instance) read() reading {
	spent, thread := threadTime()
	return reading{time.Since(i.code.host.began), spent, thread}
}

// pay takes processor time from what the guest has left, and waits where the share that it runs on
// is used up. It returns what the guest is to be stopped with.
func (c *call) pay(last took) *fault {
	c.host.isFull() // which may have this one stopped
	if f := cmp.Or(c.overdue(), c.instance.overgrown(), c.instance.dispossessed()); f != nil {
		return f
	}
	config := c.host.config
	switch c.spent += c.own(last.counted); {
	case c.phase == streaming && c.spent > config.CPUSlice:
		return &fault{fmt.Sprintf("ran for %v without a call of the host", config.CPUSlice), LimitSlice}
	case c.phase == inEvent && c.spent > config.CPUEvent:
		return &fault{fmt.Sprintf("took %v of processor time for one event", config.CPUEvent), LimitEventCPU}
	}
	if share := c.instance.share.Load(); share != nil {
		wait := share.charge(last.measured)
		if wait > longestWait {
			return &fault{"the processor share is used up", LimitShare}
		}
		pause(c.stopping(), wait)
		return c.overdue()
	}
	return nil
}

// own is how much of the time that counts of the last grant is the phase's. For a slice that is what
// came after the last call of the host, one grant at most.
func (c *call) own(counted time.Duration) time.Duration {
	if c.phase == streaming && c.called {
		counted = min(counted, grantTime)
	}
	c.called = false
	return counted
}

// overdue is what the guest is to be stopped with if its time is up.
func (c *call) overdue() *fault {
	if !c.over() {
		return nil
	}
	return &fault{fmt.Sprintf("stopped by its limit: %s", c.phase.limit()), c.phase.limit()}
}

// enterHost notes that the guest calls the host, and returns what it is to be stopped with if its
// time is up. During an event that means to look at a clock, and is not done for each call.
func (c *call) enterHost() *fault {
	c.instance.meter.calls++
	c.called = true
	if c.phase == streaming {
		c.spent = 0 // a slice is what lies between two calls
	}
	if f := cmp.Or(c.instance.overgrown(), c.instance.dispossessed()); f != nil {
		return f
	}
	if c.phase == inEvent && c.instance.meter.calls%16 != 0 {
		return nil
	}
	return c.overdue()
}

// enterWASI is enterHost for those functions of WASI that may take long for one call, bytes being what
// they work through. They are no calls that end a slice.
func (i *instance) enterWASI(bytes int) {
	c := &i.call
	i.meter.calls++
	i.burn(bytes)
	if f := c.overdue(); f != nil {
		panic(f)
	}
}

// burn takes fuel for work that the host does on many bytes of the guest's: without it, a guest that
// has the host work in its place would never have to ask for more.
func (i *instance) burn(bytes int) {
	if bytes >= burnBytes {
		i.burnMany(bytes)
	}
}

func (i *instance) burnMany(bytes int) {
	if i.call.phase == inEvent {
		bytes /= 8 // an event has an end by the clock; its few sends are not to be taken for work
	}
	if bytes >= burnBytes && i.fuel != nil {
		i.fuel.Set(uint64(int64(i.fuel.Get()) - int64(bytes)))
	}
}

// forget settles the calls of the host that earlier events made, before they count as this one's.
func (m *meter) forget(s *Share) {
	if m.calls < manyCalls {
		return
	}
	if s != nil {
		s.charge(time.Duration(m.calls) * hostCallTime)
	}
	m.calls = 0
}

// park notes that the goroutine may wait.
func (c *call) park() { c.instance.meter.parked = true }

// settle pays for the fuel that an instance took since it last asked for more.
func (i *instance) settle(s *Share) {
	m := &i.meter
	if s == nil || m.grant == 0 {
		return
	}
	s.charge(m.likely(max(0, m.grant-int64(i.fuel.Get()))))
}
