package capacity

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/millrace/millrace/tests/program"
)

// BenchmarkTenant is what a tenant costs that does nothing: with its history on one node or in three
// copies on three, and with a viewer on top.
func BenchmarkTenant(b *testing.B) {
	const tenants = 200
	for _, size := range []int{1, 3} {
		b.Run(fmt.Sprint(size, " nodes"), func(b *testing.B) {
			ns := start(b, size)
			ns.addTenants(b, 0, 1)
			few := ns.idle(b)
			ns.addTenants(b, 1, tenants+1)
			many := ns.idle(b)
			for i := 1; i <= tenants; i++ {
				ns[i%size].Open(fmt.Sprintf("/v1/tenants/t%d/events?subject=a", i))
			}
			watched := ns.idle(b)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric((many.memory-few.memory)/float64(tenants*size), "B/tenant-and-node")
			b.ReportMetric((watched.memory-many.memory)/tenants, "B/watched-tenant")
			b.ReportMetric((many.cpu-few.cpu)/tenants*1e6, "cpu-µs/s/tenant")
			b.ReportMetric((watched.cpu-many.cpu)/tenants*1e6, "cpu-µs/s/watched-tenant")
		})
	}
}

// addTenants makes tenants, each with one event.
func (ns nodes) addTenants(b *testing.B, from, to int) {
	b.Helper()
	for i := from; i < to; i++ {
		c := ns[i%len(ns)]
		c.Put(fmt.Sprintf("/v1/tenants/t%d", i), map[string]any{})
		stored(b, func(ctx context.Context) (string, error) {
			return c.Publish(ctx, fmt.Sprint("t", i), program.Event{Subject: "a", Data: "first", Key: "first"})
		})
	}
}

func stored(b *testing.B, publish func(context.Context) (string, error)) {
	b.Helper()
	if _, err := program.UntilStored(b.Context(), publish); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkRoute is the memory of a route without a plugin.
func BenchmarkRoute(b *testing.B) {
	const routes = 900
	ns := start(b, 1)
	ns.addTenants(b, 0, 1)
	few := ns.idle(b)
	for i := range routes {
		ns[0].Put(fmt.Sprintf("/v1/tenants/t0/routes/r%d", i), map[string]any{"path": fmt.Sprintf("/r%d/:x", i), "subjects": []string{"a.{x}"}})
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric((ns.idle(b).memory-few.memory)/routes, "B/route")
}

// BenchmarkPlugin is the memory of a deployed callback in Go that nobody uses at the moment, and the
// processor time of deploying it.
func BenchmarkPlugin(b *testing.B) {
	const plugins = 10
	code := program.Plugin(b, "stocks")
	ns := start(b, 1)
	ns.addTenants(b, 0, 1)
	deploy := func(i int) { ns[0].Put(fmt.Sprintf("/v1/tenants/t0/routes/p%d/callback", i), another(code, i)) }
	deploy(0)
	few := ns.idle(b)
	before := ns.usage(b)
	for i := range plugins {
		deploy(i + 1)
	}
	after := ns.usage(b)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric((after.cpu-before.cpu)/plugins, "cpu-s/deploy-without-compiling")
	b.ReportMetric((ns.idle(b).memory-few.memory)/plugins, "B/plugin")
}

// another returns the same module with another digest.
func another(code []byte, n int) []byte {
	section := binary.LittleEndian.AppendUint32([]byte{0, 6, 1, 'n'}, uint32(n)) // custom, 6 bytes, named "n"
	return append(append([]byte(nil), code...), section...)
}

// BenchmarkEvent is the processor time that one event of 200 B takes all nodes together, published
// by itself or a thousand at a time, without viewers and with one on each node.
func BenchmarkEvent(b *testing.B) {
	const events, publishers, batch = 8000, 16, 1000
	data := fmt.Sprintf("%0200d", 0)
	for _, size := range []int{1, 3} {
		ns := start(b, size)
		ns.addTenants(b, 0, 1)
		one := func(ctx context.Context, c *program.Client) error {
			_, err := c.Publish(ctx, "t0", program.Event{Subject: "a", Data: data})
			return err
		}
		es := make([]program.Event, batch)
		for i := range es {
			es[i] = program.Event{Subject: "a", Data: data}
		}
		many := func(ctx context.Context, c *program.Client) error {
			_, err := c.PublishBatch(ctx, "t0", es)
			return err
		}
		measure := func(name string) {
			for _, way := range []struct {
				name    string
				calls   int
				publish func(context.Context, *program.Client) error
			}{{"alone", events, one}, {"a thousand at a time", events * 4 / batch, many}} {
				b.Run(fmt.Sprint(size, " nodes, ", name, ", ", way.name), func(b *testing.B) {
					each := 1.0
					if way.calls != events {
						each = batch
					}
					before := ns.usage(b)
					ns.spread(b, publishers, way.calls, way.publish)
					b.ReportMetric(0, "ns/op")
					b.ReportMetric((ns.usage(b).cpu-before.cpu)*1e6/(float64(way.calls)*each), "cpu-µs/event")
				})
			}
		}
		measure("no viewer")
		for _, c := range ns {
			c.Open("/v1/tenants/t0/events?subject=none") // reads all, and is given nothing
		}
		measure("a viewer on each")
	}
}

// spread makes so many calls, by some at a time, to each node in turn.
func (ns nodes) spread(b *testing.B, callers, calls int, call func(context.Context, *program.Client) error) {
	b.Helper()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for n := i; n < calls; n += callers {
				if err := call(b.Context(), ns[n%len(ns)]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
