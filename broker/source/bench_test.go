package source_test

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

// discard is a Store that counts.
type discard struct{ cursor source.Cursor }

func (d *discard) Cursor(context.Context) (source.Cursor, error) { return d.cursor, nil }

func (d *discard) Append(_ context.Context, _ source.Cursor, _ []source.Output, to source.Cursor) (source.Cursor, error) {
	d.cursor.Revision++
	d.cursor.LastEventID, d.cursor.Ended, d.cursor.Complete = to.LastEventID, to.Ended, to.Complete
	return d.cursor, nil
}

func (d *discard) MarkSent(context.Context, source.Cursor) (source.Cursor, error) {
	return d.cursor, nil
}

// BenchmarkWorker takes 20,000 events of 200 bytes from loopback into memory.
func BenchmarkWorker(b *testing.B) {
	const n = 20_000
	events := sourcetest.Plain(n)
	for i := range events {
		events[i].Data = strings.Repeat("0123456789", 20)
	}
	stream := sourcetest.Stream(append(events, abi.Event{Data: source.DefaultDone}))
	pass := func(_ context.Context, c source.Chunk) ([]abi.Event, bool, error) { return nil, true, nil }
	for _, bb := range []struct {
		name      string
		encoding  string
		callbacks source.Callbacks
	}{{"plain", "", source.Callbacks{}}, {"callback", "", source.Callbacks{OnEvent: pass}}, {"zstd", "zstd", source.Callbacks{}}} {
		b.Run(bb.name, func(b *testing.B) {
			server := sourcetest.NewServer(sourcetest.New(sourcetest.Always(sourcetest.Reply{Body: stream, Encoding: bb.encoding})))
			defer server.Close()
			client := source.NewClient(source.ClientConfig{AllowPrivate: true})
			defer client.Close()
			b.ReportAllocs()
			appends := uint64(0)
			for b.Loop() {
				store := &discard{}
				w, err := source.NewWorker(source.WorkerConfig{
					Source: source.Config{URL: server.URL, Subject: "a"}, Client: client, Store: store, Callbacks: bb.callbacks,
				})
				if err != nil {
					b.Fatal(err)
				}
				if err := w.Run(b.Context()); err != nil || w.Status().Stored != n+1 {
					b.Fatalf("%d stored, %v", w.Status().Stored, err)
				}
				appends = store.cursor.Revision
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(n)/float64(appends), "events/append")
		})
	}
}
