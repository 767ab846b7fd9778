package web_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/web"
)

// report gives the middle and the tail of latencies.
func report(b *testing.B, all []time.Duration) {
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(all[len(all)/2]), "p50-ms")
	b.ReportMetric(ms(all[len(all)*99/100]), "p99-ms")
}

// BenchmarkEndToEnd publishes one event over HTTP at a time and waits until each of 100 viewers has
// it. An operation is one event; the figures are from before the publish to a viewer's parsed event.
func BenchmarkEndToEnd(b *testing.B) {
	const viewers = 100
	for _, kind := range []string{"tail", "callback"} {
		b.Run(fmt.Sprintf("%s/viewers=%d", kind, viewers), func(b *testing.B) {
			n := startNode(b, web.Config{})
			n.must("PUT", "/v1/tenants/acme", nil, nil)
			route := map[string]any{"subjects": []string{"in"}}
			if kind == "callback" {
				n.must("PUT", "/v1/tenants/acme/plugins/mapper", guestModule(b, "mapper"), nil)
				route["plugin"] = "mapper"
			}
			n.route("acme", "a", "/a", route)
			got := make(chan time.Time, viewers)
			for range viewers {
				v := n.open("/t/acme/a")
				go func() {
					for {
						if _, err := v.reader.Next(); err != nil {
							return
						}
						got <- time.Now()
					}
				}()
			}
			data := strings.Repeat("x", 200)
			n.publish("acme", "in", data)
			for range viewers {
				<-got
			}
			var all []time.Duration
			for b.Loop() {
				began := time.Now()
				n.publish("acme", "in", data)
				for range viewers {
					all = append(all, (<-got).Sub(began))
				}
			}
			report(b, all)
		})
	}
}

// BenchmarkPublish is one event of 200 bytes over HTTP, acknowledged once stored.
func BenchmarkPublish(b *testing.B) {
	data := strings.Repeat("x", 200)
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			n := startNode(b, web.Config{})
			n.must("PUT", "/v1/tenants/acme", nil, nil)
			n.publish("acme", "in", data)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						n.publish("acme", "in", data)
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkUploadToFirstByte uploads a Go callback and opens its route, to the first event. "new"
// has other bytes each time and so is compiled; "known" has been compiled on this node before.
func BenchmarkUploadToFirstByte(b *testing.B) {
	for _, kind := range []string{"new", "known"} {
		b.Run(kind, func(b *testing.B) {
			n := startNode(b, web.Config{})
			n.must("PUT", "/v1/tenants/acme", nil, nil)
			n.route("acme", "other", "/other", map[string]any{"subjects": []string{"a"}})
			module := guestModule(b, "streamer")
			count := 0
			for b.Loop() {
				if kind == "new" { // a custom section makes another digest
					name := fmt.Sprintf("%012d", time.Now().UnixNano()%1e12)
					module = append(slices.Clip(guestModule(b, "streamer")), append([]byte{0, 13, 12}, name...)...)
				}
				name := fmt.Sprintf("s%d", count)
				count++
				n.must("PUT", "/v1/tenants/acme/routes/"+name+"/callback", module, nil)
				v := n.open("/t/acme/"+name+"?case=hello", "Authorization", "Bearer "+adminToken)
				v.next()
				v.leave()
			}
		})
	}
}
