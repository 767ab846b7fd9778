package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/web/wire"
)

func TestAViewerGetsWhatLiesBehindItsCursor(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops}, func(r *http.Request) wire.Stream {
			var seq uint64
			fmt.Sscan(r.URL.Query().Get("after"), &seq)
			return wire.Stream{Ring: ring, From: wire.Cursor{Seq: seq}}
		}).start()
		ring = n.NewRing(wire.RingConfig{})
		defer ring.Close()
		appendFrames(ring, 1, 100, 200)
		early, late, future := n.connect("/?after=0"), n.connect("/?after=90"), n.connect("/?after=110")
		appendFrames(ring, 101, 120, 200)
		early.sequence(t, 1, 120)
		late.sequence(t, 91, 120)
		future.sequence(t, 111, 120)
	})
}

func TestTheHeadIsTheHandlersOwn(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream { return wire.Stream{Ring: ring} }).start()
		ring = n.NewRing(wire.RingConfig{})
		defer ring.Close()
		v := n.connect("/")
		if got := v.res.Header.Get("Content-Type"); got != "text/event-stream" || v.res.Header.Get("Date") == "" {
			t.Errorf("headers = %v", v.res.Header)
		}
		if loops > 0 != v.res.Close {
			t.Errorf("Connection: close is %v; it is for connections that serve nothing after", v.res.Close)
		}
	})
}

func TestFramesThatWaitTogetherGoOutInOneWrite(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream { return wire.Stream{Ring: ring} }).start()
		ring = n.NewRing(wire.RingConfig{})
		defer ring.Close()
		v := n.connect("/")
		before := n.Stats()
		var fs []wire.Frame
		for seq := 1; seq <= 200; seq++ {
			fs = append(fs, frame(seq, 100))
		}
		ring.Append(fs, 200)
		v.sequence(t, 1, 200)
		waitFor(t, "the count of 200 frames", func() bool { return n.Stats().Delivered-before.Delivered == 200 })
		if writes := n.Stats().Writes - before.Writes; writes > 2 { // the ring's segments are one writev
			t.Errorf("200 frames took %d writes", writes)
		}
	})
}

func TestARingsEndIsItsViewersEnd(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		why := errors.New("enough")
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops, LastWords: func(why error) []byte { return []byte("event: " + why.Error() + "\n\n") }},
			func(*http.Request) wire.Stream { return wire.Stream{Ring: ring} }).start()
		ring = n.NewRing(wire.RingConfig{})
		defer ring.Close()
		v := n.connect("/")
		ring.Append([]wire.Frame{frame(1, 50)}, 1)
		ring.End(why)
		ring.Append([]wire.Frame{frame(2, 50)}, 2)
		v.sequence(t, 1, 1)
		if got := v.rest(t); got != "event: enough\n\n" {
			t.Errorf("the stream ends with %q", got)
		}
		n.endsWith(why)
	})
}

func TestTimeLimitEndsAStream(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		why := errors.New("late")
		var ring *wire.Ring
		n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream {
			return wire.Stream{Ring: ring, Until: time.Now().Add(60 * time.Millisecond), UntilWhy: why}
		}).start()
		ring = n.NewRing(wire.RingConfig{})
		defer ring.Close()
		if got := n.connect("/").rest(t); got != "" {
			t.Errorf("the stream ends with %q", got)
		}
		n.endsWith(why)
	})
}

func TestAStreamOfItsOwn(t *testing.T) {
	for _, acked := range []bool{false, true} {
		overBoth(t, func(t *testing.T, loops int) {
			n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream { return wire.Stream{Acked: acked} }).start()
			v := n.connect("/")
			own := n.last.Load()
			go func() {
				for seq := 1; seq <= 2000; seq++ {
					err := own.Put(t.Context(), 1, uint64(seq), func(b []byte) []byte { return append(b, frame(seq, 300).Bytes...) })
					if err != nil {
						t.Errorf("Put: %v", err)
						break
					}
				}
				own.Close()
			}()
			v.sequence(t, 1, 2000)
			if got := v.rest(t); got != "" {
				t.Errorf("behind the last frame comes %q", got)
			}
			n.endsWith(nil)
			if err := own.Put(t.Context(), 1, 0, func(b []byte) []byte { return append(b, 'x') }); !errors.Is(err, wire.ErrEnded) {
				t.Errorf("Put after the end = %v, want ErrEnded", err)
			}
		})
	}
}

func TestPutWaitsForASlowViewerAndEndsWithIt(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream { return wire.Stream{QueueBytes: 1000, Acked: true} }).start()
		v := n.connect("/")
		own := n.last.Load()
		failed := make(chan error, 1)
		go func() {
			for {
				if err := own.Put(t.Context(), 1, 0, func(b []byte) []byte { return append(b, frame(1, 100_000).Bytes...) }); err != nil {
					failed <- err
					return
				}
			}
		}()
		waitFor(t, "some frames to be written", func() bool { return n.Stats().Delivered > 0 })
		v.conn.Close()
		if err := <-failed; !errors.Is(err, wire.ErrEnded) {
			t.Errorf("Put = %v, want ErrEnded", err)
		}
		n.endsWith(wire.ErrLeft)
	})
}

func TestPutEndsWithItsContext(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream { return wire.Stream{QueueBytes: 1} }).start()
		n.connect("/")
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
		for {
			err := n.last.Load().Put(ctx, 1, 0, func(b []byte) []byte { return append(b, frame(1, 1<<20).Bytes...) })
			if errors.Is(err, why) {
				return
			}
			if err != nil {
				t.Fatalf("Put = %v, want the context's cause", err)
			}
		}
	})
}

func TestKeepAlivesTellAPositionOnce(t *testing.T) {
	position := func(seq uint64) []byte { return fmt.Appendf(nil, "id: %d\n\n", seq) }
	overBoth(t, func(t *testing.T, loops int) {
		for _, kind := range []string{"ring", "own"} {
			var ring *wire.Ring
			n := newNode(t, wire.Config{Loops: loops}, func(*http.Request) wire.Stream {
				s := wire.Stream{Ring: ring, KeepAlive: 50 * time.Millisecond, Position: position, From: wire.Cursor{Seq: 5}}
				if kind == "own" {
					s.Ring = nil
				}
				return s
			}).start()
			ring = n.NewRing(wire.RingConfig{Begin: 5, Position: position})
			defer ring.Close()
			v := n.connect("/")
			if got := v.block(t); got != ": keep-alive\n" {
				t.Errorf("%s: first comes %q", kind, got)
			}
			if kind == "own" {
				n.last.Load().Advance(9)
			} else {
				ring.Append(nil, 9)
			}
			for got := ""; got != "id: 9\n"; {
				if got = v.block(t); got != "id: 9\n" && got != ": keep-alive\n" {
					t.Fatalf("%s: a keep-alive is %q", kind, got)
				}
			}
			if got := v.block(t); got != ": keep-alive\n" {
				t.Errorf("%s: after the position comes %q", kind, got)
			}
		}
	})
}

func TestConnectionsThatALoopCannotTake(t *testing.T) {
	var ring *wire.Ring
	for _, tt := range []struct {
		name, proto string
		tls, http2  bool
	}{{"TLS", "HTTP/1.1", true, false}, {"HTTP/2 over TLS", "HTTP/2.0", true, true}, {"HTTP/1.0", "HTTP/1.0", false, false}} {
		t.Run(tt.name, func(t *testing.T) {
			protos := make(chan string, 1)
			n := newNode(t, wire.Config{}, func(r *http.Request) wire.Stream {
				protos <- r.Proto
				return wire.Stream{Ring: ring}
			})
			ring = n.NewRing(wire.RingConfig{})
			defer ring.Close()
			n.server.EnableHTTP2 = tt.http2
			var in io.Reader
			if tt.tls {
				n.server.StartTLS()
				client := n.server.Client()
				client.Transport.(*http.Transport).TLSClientConfig.NextProtos = nil
				res, err := client.Get(n.server.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer client.CloseIdleConnections()
				defer res.Body.Close()
				in = res.Body
			} else {
				n.server.Start()
				c, err := net.Dial("tcp", n.server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				fmt.Fprintf(c, "GET / HTTP/1.0\r\n\r\n")
				in = c
			}
			if got := <-protos; got != tt.proto {
				t.Fatalf("the request is %s", got)
			}
			ring.Append([]wire.Frame{frame(1, 20)}, 1)
			ring.End(nil)
			b, err := io.ReadAll(in)
			if err != nil || !strings.HasSuffix(string(b), ": open\n\ndata: 1 xxxxxxxxxx\n\n") {
				t.Errorf("read %q, %v", b, err)
			}
			n.endsWith(nil)
		})
	}
}

func TestManyViewersOfManyRings(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		const rings, each, frames = 20, 10, 300
		var all [rings]*wire.Ring
		n := newNode(t, wire.Config{Loops: loops}, func(r *http.Request) wire.Stream {
			var i int
			fmt.Sscan(r.URL.Query().Get("ring"), &i)
			return wire.Stream{Ring: all[i], Groups: []string{"all", fmt.Sprint("ring ", i)}}
		}).start()
		var readers sync.WaitGroup
		for i := range all {
			all[i] = n.NewRing(wire.RingConfig{})
			defer all[i].Close()
			for range each {
				v := n.connect(fmt.Sprint("/?ring=", i))
				readers.Go(func() { v.sequence(t, 1, frames) })
			}
		}
		if n.Viewers("ring 3") != each || n.Viewers("all") != rings*each || n.Viewers("") != rings*each || n.Viewers("other") != 0 {
			t.Errorf("counts are %d, %d, %d and %d", n.Viewers("ring 3"), n.Viewers("all"), n.Viewers(""), n.Viewers("other"))
		}
		for seq := 1; seq <= frames; seq++ {
			for _, r := range all {
				r.Append([]wire.Frame{frame(seq, 64)}, uint64(seq))
			}
		}
		readers.Wait()
		n.End("ring 3", nil, 0)
		waitFor(t, "the viewers of one ring to end", func() bool { return n.Viewers("ring 3") == 0 })
		if got := n.Viewers("all"); got != (rings-1)*each {
			t.Errorf("%d viewers are left", got)
		}
	})
}

// A stream of its own that is ended brings what waits, and then why.
func TestAnEndedStreamOfItsOwnHasLastWords(t *testing.T) {
	overBoth(t, func(t *testing.T, loops int) {
		why := errors.New("enough")
		n := newNode(t, wire.Config{Loops: loops, LastWords: func(why error) []byte { return []byte("event: " + why.Error() + "\n\n") }},
			func(*http.Request) wire.Stream { return wire.Stream{} }).start()
		v := n.connect("/")
		own := n.last.Load()
		if err := own.Put(t.Context(), 1, 1, func(b []byte) []byte { return append(b, frame(1, 50).Bytes...) }); err != nil {
			t.Fatal(err)
		}
		own.EndWithin(why, time.Millisecond)
		v.sequence(t, 1, 1)
		if got := v.rest(t); got != "event: enough\n\n" {
			t.Errorf("the stream ends with %q", got)
		}
		n.endsWith(why)
	})
}
