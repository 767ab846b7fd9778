package broker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

// BenchmarkPublish stores events of 200 bytes one by one, from 1 and 16 callers, beside the same
// through nothing but the JetStream client.
func BenchmarkPublish(b *testing.B) {
	for _, fsync := range []bool{false, true} {
		br, _ := start(b, broker.Config{Fsync: fsync})
		tenant(b, br, "acme", broker.Spec{})
		publish(b, br, "acme", "a", "first")
		bare := br.PublishBare(b, "acme")
		data := strings.Repeat("x", 200)
		ours := func() error {
			_, err := br.Publish(context.Background(), "acme", broker.Publication{Subject: "bare", Data: data})
			return err
		}
		keyed := func() error {
			_, err := br.Publish(context.Background(), "acme", broker.Publication{Subject: "bare", Data: data, Key: fmt.Sprint(keys.Add(1))})
			return err
		}
		for _, callers := range []int{1, 16} {
			for _, kind := range []struct {
				name    string
				publish func() error
			}{{"bare", bare}, {"ours", ours}, {"keyed", keyed}} {
				b.Run(fmt.Sprintf("fsync=%t/callers=%d/%s", fsync, callers, kind.name), func(b *testing.B) {
					publishAll(b, callers, kind.publish)
				})
			}
		}
	}
}

var keys atomic.Int64

func publishAll(b *testing.B, callers int, publish func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := publish(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkBatch stores batches of 100 events of 200 bytes.
func BenchmarkBatch(b *testing.B) {
	br, _ := start(b, broker.Config{})
	tenant(b, br, "acme", broker.Spec{})
	ps := make([]broker.Publication, 100)
	for i := range ps {
		ps[i] = broker.Publication{Subject: "a", Data: strings.Repeat("x", 200)}
	}
	for b.Loop() {
		if _, err := br.PublishBatch(context.Background(), "acme", ps); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(ps))/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkHub stores events in batches of 1,000 and waits until every subscription has each.
func BenchmarkHub(b *testing.B) {
	for _, readers := range []int{1, 1000} {
		for _, same := range []bool{true, false} {
			b.Run(fmt.Sprintf("subscriptions=%d/same=%t", readers, same), func(b *testing.B) { benchHub(b, readers, same) })
		}
	}
}

// benchHub has readers subscribe to everything when same, else each to a subject of its own.
func benchHub(b *testing.B, readers int, same bool) {
	br, _ := start(b, broker.Config{})
	tenant(b, br, "acme", broker.Spec{})
	var got atomic.Int64
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	for r := range readers {
		pattern := "a.>"
		if !same {
			pattern = fmt.Sprintf("a.%d", r)
		}
		s := subscribe(b, br, "acme", broker.From{}, pattern)
		wg.Go(func() {
			for {
				events, _, err := s.Next(ctx)
				if err != nil {
					return
				}
				got.Add(int64(len(events)))
			}
		})
	}
	ps := make([]broker.Publication, broker.MaxBatch)
	for i := range ps {
		ps[i] = broker.Publication{Subject: fmt.Sprintf("a.%d", i%readers), Data: strings.Repeat("x", 200)}
	}
	want := int64(0)
	for b.Loop() {
		if _, err := br.PublishBatch(ctx, "acme", ps); err != nil {
			b.Fatal(err)
		}
		want += int64(len(ps))
		if same {
			want += int64(len(ps) * (readers - 1))
		}
		for got.Load() < want {
			time.Sleep(100 * time.Microsecond)
		}
	}
	b.ReportMetric(float64(b.N*len(ps))/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(want)/b.Elapsed().Seconds(), "deliveries/s")
	cancel()
	wg.Wait()
}

// BenchmarkReplay reads 1,000 events of 100,000 from history: the next 1,000, and 1 of 100.
func BenchmarkReplay(b *testing.B) {
	br, _ := start(b, broker.Config{RingBytes: 1})
	tenant(b, br, "acme", broker.Spec{})
	first, last := fill(b, br, "acme", 100_000, 100, 200)
	for _, tt := range []struct {
		name, pattern string
		after         uint64
	}{{"next", "a.*", last.Seq / 2}, {"sparse", "a.7", 0}} {
		b.Run(tt.name, func(b *testing.B) {
			for b.Loop() {
				first.Seq = tt.after
				s, err := br.Subscribe(context.Background(), "acme", []string{tt.pattern}, broker.From{After: first.String()})
				if err != nil {
					b.Fatal(err)
				}
				for n := 0; n < 1000; {
					events, _, err := s.Next(context.Background())
					if err != nil {
						b.Fatal(err)
					}
					n += len(events)
				}
				s.Close()
			}
		})
	}
}

// BenchmarkSource pulls 20,000 events of 200 bytes from loopback into history.
func BenchmarkSource(b *testing.B) {
	const n = 20_000
	all := sourcetest.Plain(n)
	for i := range all {
		all[i].Data = strings.Repeat("0123456789", 20)
	}
	server := sourcetest.NewServer(sourcetest.New(sourcetest.Always(sourcetest.Reply{
		Body: sourcetest.Stream(append(all, abi.Event{Data: source.DefaultDone})),
	})))
	b.Cleanup(server.Close)
	pass := func(context.Context, source.Chunk) ([]abi.Event, bool, error) { return nil, true, nil }
	for name, callbacks := range map[string]source.Callbacks{"plain": {}, "callback": {OnEvent: pass}} {
		b.Run(name, func(b *testing.B) {
			br, _ := start(b, broker.Config{})
			tenant(b, br, "acme", broker.Spec{})
			putSource(b, br, "feed", config(server.URL))
			client := newClient(b)
			for b.Loop() {
				w, err := source.NewWorker(source.WorkerConfig{
					Source: config(server.URL), Client: client, Store: storeOf(b, br), Callbacks: callbacks,
				})
				if err != nil {
					b.Fatal(err)
				}
				if err := w.Run(b.Context()); err != nil || w.Status().Stored != n+1 {
					b.Fatalf("%d stored, %v", w.Status().Stored, err)
				}
				if _, err := br.StartSource(b.Context(), "acme", "feed"); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
