package web_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/web"
)

// viewers is how many a route has on this node.
func (n *node) viewers(tenant, route string) int {
	n.t.Helper()
	var doc presenceDoc
	n.must("GET", "/v1/tenants/"+tenant+"/routes/"+route+"/viewers", nil, &doc)
	return doc.Viewers
}

// TestStreamsBehaveTheSameOverEveryProtocol; what they bring is compared by
// TestEveryConnectionGetsTheSame.
func TestStreamsBehaveTheSameOverEveryProtocol(t *testing.T) {
	for _, proto := range protos {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, over(t, proto, web.Config{WriteTimeout: 2 * time.Second}))
			n.must("PUT", "/v1/tenants/acme", nil, nil)
			route := func(name string, more map[string]any) {
				more["subjects"] = []string{name}
				n.route("acme", name, "/"+name, more)
			}
			route("kept", map[string]any{"keepAliveInterval": 10, "retry": 1500})
			route("quiet", map[string]any{"keepAliveInterval": 0})
			route("clock", map[string]any{"keepAliveInterval": 0, "timeout": 3000})
			route("slow", map[string]any{"keepAliveInterval": 250})

			quiet, clock := n.dial("/t/acme/quiet", proto, 0), n.dial("/t/acme/clock", proto, 0)
			t.Run("retry and id come first", func(t *testing.T) { testFirstBytes(t, n, proto) })
			t.Run("keep-alives come", func(t *testing.T) { testKeepAlives(t, n, proto) })
			t.Run("a slow viewer is cut alone", func(t *testing.T) { testSlowIsCut(t, n, proto) })
			t.Run("a time limit ends the stream", func(t *testing.T) { clock.ended() })
			t.Run("quiet for longer than a write may take is no fault", func(t *testing.T) {
				n.publish("acme", "quiet", "still here")
				quiet.want("still here")
				n.publish("acme", "quiet", "and again")
				quiet.want("and again")
			})
			t.Run("who leaves is gone", func(t *testing.T) {
				quiet.leave()
				n.eventually("the viewer to be gone", func() bool { return n.viewers("acme", "quiet") == 0 })
			})
		})
	}
}

func testFirstBytes(t *testing.T, n *node, proto string) {
	first := n.publish("acme", "kept", "one")
	second := n.publish("acme", "kept", "two")
	v := n.dial("/t/acme/kept", proto, 0, "Last-Event-ID", first)
	v.want("two")
	if got := v.reader.LastEventID(); got != second {
		t.Errorf("id %q, want %q", got, second)
	}
	if raw := v.raw.String(); !strings.HasPrefix(raw, "retry: 1500\n") || strings.Index(raw, "\nid: ") > strings.Index(raw, "data:") {
		t.Errorf("the stream begins with %q, want retry and an id before any data", raw)
	}
	if got := v.resp.Header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	v.leave()
}

func testKeepAlives(t *testing.T, n *node, proto string) {
	v := n.dial("/t/acme/kept", proto, 0)
	var all bytes.Buffer
	buf := make([]byte, 4096)
	for strings.Count(all.String(), "\n: keep-alive\n") < 3 {
		k, err := v.resp.Body.Read(buf)
		if err != nil {
			t.Fatalf("the stream ended with %v after %q", err, tailOf(all.String()))
		}
		all.Write(buf[:k])
	}
	v.leave()
}

// testSlowIsCut has the slow one and its neighbour on one connection where the protocol allows it.
func testSlowIsCut(t *testing.T, n *node, proto string) {
	l := n.connect(proto, 64<<10)
	l.open("/t/acme/slow")
	beside := l
	if l.http2 == nil {
		beside = n.connect(proto, 0)
	}
	good := beside.open("/t/acme/slow")
	if got := n.viewers("acme", "slow"); got != 2 {
		t.Fatalf("%d viewers are there, want 2", got)
	}
	next := 0
	step := func() {
		data := fmt.Sprint(next, strings.Repeat("x", 64<<10))
		n.publish("acme", "slow", data)
		good.want(data)
		good.raw.Reset()
		next++
	}
	for n.viewers("acme", "slow") == 2 {
		step()
	}
	step()
	if got := n.viewers("acme", "slow"); got != 1 {
		t.Errorf("%d viewers are left, want the one that reads", got)
	}
	good.leave()
}

// TestAClientBehindADeadProxyIsGone: the proxy acknowledges all and passes nothing on. HTTP/2 has pings
// for that.
func TestAClientBehindADeadProxyIsGone(t *testing.T) {
	n := startNode(t, web.Config{WriteTimeout: time.Second})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}, "keepAliveInterval": 300})
	var dead atomic.Bool
	through := *n
	through.url = swallowing(t, n.url, &dead)
	through.dial("/t/acme/a", http2, 0)
	n.publish("acme", "a", "X")
	if got := n.viewers("acme", "a"); got != 1 {
		t.Fatalf("%d viewers are there, want 1", got)
	}
	dead.Store(true)
	n.eventually("the viewer to be gone", func() bool { return n.viewers("acme", "a") == 0 })
}

// swallowing passes one connection on to a server, and once dead is set nothing of the client's.
func swallowing(t *testing.T, server string, dead *atomic.Bool) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		client, err := l.Accept()
		if err != nil {
			return
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
		if err != nil {
			client.Close()
			return
		}
		go func() {
			_, _ = io.Copy(client, conn) // until the server gives up
			client.Close()
		}()
		buf := make([]byte, 4096)
		for {
			k, err := client.Read(buf)
			if err != nil {
				conn.Close()
				return
			}
			if !dead.Load() {
				_, _ = conn.Write(buf[:k]) // an error is the end of the other copy as well
			}
		}
	}()
	return "http://" + l.Addr().String()
}

// TestStreamsThatAreResetAtOnceAreBounded: the client opens and resets streams as fast as it can.
func TestStreamsThatAreResetAtOnceAreBounded(t *testing.T) {
	n := startStreamer(t, web.Config{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	check(t, err)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(60*time.Second)))
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	const path = "/t/acme/s?case=wait"
	// :method GET, :scheme http, :path and :authority, without compression.
	fields := "\x82\x86\x04" + string(rune(len(path))) + path + "\x01\x01x"
	_, err = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+frame(4, 0, 0, ""))
	check(t, err)
	most, resets := 0, 0
	for stream := uint32(1); err == nil && resets < 20_000; stream += 2 { // the server may cut it any time
		_, err = io.WriteString(conn, frame(1, 5, stream, fields)+frame(3, 0, stream, "\x00\x00\x00\x08"))
		resets++
		if resets%100 == 0 {
			most = max(most, int(n.web.Stats().Viewers))
		}
	}
	if most > 250 {
		t.Errorf("%d viewers at once from one connection, want no more than its streams may be", most)
	}
	n.eventually("nothing to be left", func() bool { return n.web.Stats().Viewers == 0 && n.instances() <= 0 })
	n.dial("/t/acme/s?case=hello", http2, 0).next()
}

// frame is one of HTTP/2.
func frame(kind, flags byte, stream uint32, payload string) string {
	head := []byte{0, 0, 0, kind, flags}
	binary.BigEndian.PutUint16(head[1:], uint16(len(payload)))
	return string(binary.BigEndian.AppendUint32(head, stream)) + payload
}
