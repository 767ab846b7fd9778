package relay

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/tests/program"
)

// BenchmarkIdle measures what sources cost whose remote is silent: memory of the server for each of
// 1,000, and its processor time over half a minute with one of them and with all. It runs once,
// however long it is to run.
func BenchmarkIdle(b *testing.B) {
	const sources = 1000
	one := sourcetest.Stream(sourcetest.Plain(1))
	remote := sourcetest.NewServer(sourcetest.New(sourcetest.Always(sourcetest.Reply{Body: one, Stall: new(len(one))})))
	b.Cleanup(remote.Close)
	s := startAcme(b)
	s.Put("/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}, "quotas": map[string]any{"sources": sources}})
	add := func(from, to int) {
		for n := from; n < to; n++ {
			put(s, fmt.Sprint("idle-", n), source.Config{URL: remote.URL, Subject: "in"})
		}
		await(b, "all sources", func() bool { return remote.Counts().Open == to })
	}
	add(0, 1)
	few := idle(b, s)
	add(1, sources)
	many := idle(b, s)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric((many.memory-few.memory)/(sources-1), "B/source")
	b.ReportMetric(100*few.cpu/silence.Seconds(), "%cpu-with-1")
	b.ReportMetric(100*many.cpu/silence.Seconds(), "%cpu-with-1000")
}

const (
	settled = 90 * time.Second // by then all is done that comes after an event, such as copies of cursors
	silence = 30 * time.Second
)

// idle leaves the server alone until it has settled, and then for a while. It returns the memory at
// the end, and the processor time of that while.
func idle(b *testing.B, s *program.Server) usage {
	b.Helper()
	<-time.After(settled)
	before := usageOf(b, s)
	<-time.After(silence)
	after := usageOf(b, s)
	return usage{after.memory, after.cpu - before.cpu}
}
