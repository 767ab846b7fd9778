package sse_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	r3labs "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

// benchEvents are the events that are encoded and parsed: a quote, a log excerpt, a document.
var benchEvents = []struct {
	name  string
	event abi.Event
}{
	{"200B", abi.Event{ID: "kT4x9aQz-1234567", Name: "quote", Data: strings.Repeat("0123456789", 20)}},
	{"10Lines", abi.Event{ID: "kT4x9aQz-1234567", Name: "log", Data: strings.Repeat(strings.Repeat("x", 99)+"\n", 9) + "last"}},
	{"1MB", abi.Event{ID: "kT4x9aQz-1234567", Name: "document", Data: strings.Repeat("a document's text. ", 1<<20/19)}},
}

func BenchmarkAppendEvent(b *testing.B) {
	for _, bb := range benchEvents {
		b.Run(bb.name, func(b *testing.B) {
			buf := make([]byte, 0, sse.Size(&bb.event))
			b.SetBytes(int64(len(sse.AppendEvent(buf, &bb.event))))
			b.ReportAllocs()
			for b.Loop() {
				buf = sse.AppendEvent(buf[:0], &bb.event)
			}
		})
	}
}

func BenchmarkSize(b *testing.B) {
	for _, bb := range benchEvents {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(bb.event.Data)))
			for b.Loop() {
				sse.Size(&bb.event)
			}
		})
	}
}

// BenchmarkParse reads the same stream of about 4 MB with this package, with tmaxmax/go-sse, and with
// r3labs/sse. That reads fields only in its client, which is given the stream as the body of a
// response from memory, and passes each event to another goroutine; r3labs-blocks is less than
// parsing: it finds where events end, and no fields.
func BenchmarkParse(b *testing.B) {
	for _, bb := range benchEvents {
		var stream []byte
		events := 0
		for ; len(stream) < 4<<20; events++ {
			stream = sse.AppendEvent(stream, &bb.event)
		}
		b.Run(bb.name+"/millrace", func(b *testing.B) {
			benchParse(b, stream, events, func() (n int) {
				r := sse.NewReader(bytes.NewReader(stream), 2<<20)
				for {
					if _, err := r.Next(); err != nil {
						return n
					}
					n++
				}
			})
		})
		b.Run(bb.name+"/go-sse", func(b *testing.B) {
			benchParse(b, stream, events, func() (n int) {
				for _, err := range gosse.Read(bytes.NewReader(stream), &gosse.ReadConfig{MaxEventSize: 2 << 20}) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				return n
			})
		})
		b.Run(bb.name+"/r3labs", func(b *testing.B) {
			benchParse(b, stream, events, func() (n int) {
				client := r3labs.NewClient("http://remote.example/", r3labs.ClientMaxBufferSize(2<<20))
				client.Connection = &http.Client{Transport: body(stream)}
				if err := client.SubscribeRaw(func(*r3labs.Event) { n++ }); err != nil {
					b.Fatal(err)
				}
				return n
			})
		})
		b.Run(bb.name+"/r3labs-blocks", func(b *testing.B) {
			benchParse(b, stream, events, func() (n int) {
				r := r3labs.NewEventStreamReader(bytes.NewReader(stream), 2<<20)
				for {
					switch _, err := r.ReadEvent(); err {
					case nil:
						n++
					case io.EOF:
						return n
					default:
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// body is a transport that answers every request with itself.
type body []byte

func (p body) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(p)), Request: r}, nil
}

func benchParse(b *testing.B, stream []byte, events int, parse func() int) {
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		if n := parse(); n != events {
			b.Fatalf("parsed %d events, want %d", n, events)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
}
