package web_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/web"
)

// BenchmarkSource takes events from one remote into history, until the last is stored: 200 B each,
// as they are, and through a callback in Go.
func BenchmarkSource(b *testing.B) {
	for _, bb := range []struct{ name, plugin string }{{"plain", ""}, {"onChunk", "shaper"}, {"onEvent", "mapper"}} {
		b.Run(bb.name, func(b *testing.B) {
			n := startNode(b, web.Config{AllowPrivateOutbound: true})
			n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}}, nil)
			if bb.plugin != "" { // which is prepared by then
				n.must("PUT", "/v1/tenants/acme/plugins/"+bb.plugin, guestModule(b, bb.plugin), nil)
			}
			events := sourcetest.Plain(b.N)
			for i := range events {
				events[i].Data += strings.Repeat(".", 200-len(events[i].Data))
			}
			body := sourcetest.Stream(events)
			far := sourcetest.NewServer(sourcetest.New(sourcetest.Always(sourcetest.Reply{Body: body, Stall: new(len(body))})))
			defer far.Close()
			before := n.broker.Stats().Published
			b.SetBytes(int64(len(body) / b.N))
			b.ResetTimer()
			n.source("a", far.URL, map[string]any{"plugin": bb.plugin})
			for n.broker.Stats().Published < before+uint64(b.N) {
				time.Sleep(time.Millisecond)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
