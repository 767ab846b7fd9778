package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/web"
)

func TestEveryConnectionGetsTheSame(t *testing.T) {
	for _, proto := range protos {
		t.Run(proto, func(t *testing.T) {
			n := startStreamer(t, over(t, proto, web.Config{Drain: 100 * time.Millisecond, RingBytes: 4 << 10}))
			n.must("PUT", "/v1/tenants/acme/plugins/mapper", guestModule(t, "mapper"), nil)
			n.route("acme", "tail", "/tail", map[string]any{"subjects": []string{"in"}})
			n.route("acme", "m", "/m", map[string]any{"subjects": []string{"in"}, "plugin": "mapper"})
			n.route("acme", "v", "/v", map[string]any{"subjects": []string{"in"}, "plugin": "mapper", "scope": "viewer"})
			n.route("acme", "short", "/short", map[string]any{"subjects": []string{"in"}, "timeout": 50})
			first := n.publish("acme", "in", "first")
			paths := []string{"/t/acme/tail", "/t/acme/m", "/t/acme/v", "/t/acme/in?case=echo"}
			var all []*viewer
			for _, path := range paths {
				all = append(all, n.dial(path, proto, 0, "Last-Event-ID", first))
			}
			n.dial("/t/acme/short", proto, 0).ended()
			n.dial("/t/acme/s?case=close", proto, 0).want("before")
			for i := range 200 { // more than the ring keeps
				n.publish("acme", "in", fmt.Sprint(i, strings.Repeat("X", 100)))
			}
			for i := range 200 {
				for _, v := range all {
					v.want(fmt.Sprint(i, strings.Repeat("X", 100)))
				}
			}
			late := n.dial(paths[1], proto, 0, "Last-Event-ID", first)
			late.want(fmt.Sprint(0, strings.Repeat("X", 100)), fmt.Sprint(1, strings.Repeat("X", 100)))
			go n.stop()
			for i, v := range all {
				v.ended()
				if raw := v.raw.String(); !strings.HasSuffix(raw, "\n\n") || !strings.Contains(raw[strings.LastIndex(raw, "data:"):], "retry: ") {
					t.Errorf("%s ends with %q, want a retry", paths[i], tailOf(raw))
				}
			}
			n.stop()
		})
	}
}

func TestAnIdleViewerHasNoGoroutine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("loops need epoll")
	}
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.must("PUT", "/v1/tenants/acme/plugins/mapper", guestModule(t, "mapper"), nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"in"}, "timeout": 60_000})
	n.route("acme", "m", "/m", map[string]any{"subjects": []string{"in"}, "plugin": "mapper"})
	n.open("/t/acme/a")
	n.open("/t/acme/m")
	before := runtime.NumGoroutine()
	var all []*viewer
	for i := range 200 {
		all = append(all, n.dial([]string{"/t/acme/a", "/t/acme/m"}[i%2], "HTTP/1.1", 0))
	}
	n.eventually("the handlers to have returned", func() bool { return runtime.NumGoroutine() < before+20 })
	n.publish("acme", "in", "X")
	for _, v := range all {
		v.want("X")
	}
}

// TestWhoSleepsThroughHistoryIsToldOfTheGap: the viewer takes nothing until history has moved past it.
func TestWhoSleepsThroughHistoryIsToldOfTheGap(t *testing.T) {
	for _, proto := range protos[:2] {
		t.Run(proto, func(t *testing.T) {
			n := startNode(t, web.Config{RingBytes: 64 << 10})
			n.must("PUT", "/v1/tenants/acme", map[string]any{"quotas": map[string]any{"historyBytes": 1 << 20}}, nil)
			n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
			const events = 200 // more than memory keeps, too
			v := n.dial("/t/acme/a", proto, 32<<10)
			var ids []string
			for i := range events {
				ids = append(ids, n.publish("acme", "a", fmt.Sprint(i, strings.Repeat("x", 64<<10))))
			}
			last, gaps := -1, 0
			for last < events-1 {
				e := v.next()
				if e.Name == "gap" {
					var doc struct{ Oldest string }
					check(t, json.Unmarshal([]byte(e.Data), &doc))
					if doc.Oldest == "" || e.ID == "" {
						t.Fatalf("the gap is told as %+v, want the oldest id and one of its own", e)
					}
					gaps++
					last = -1
					continue
				}
				var i int
				_, err := fmt.Sscan(strings.TrimRight(e.Data, "x"), &i)
				check(t, err)
				if e.ID != ids[i] || last >= 0 && i != last+1 {
					t.Fatalf("event %d with id %q comes behind %d", i, e.ID, last)
				}
				last = i
			}
			if gaps == 0 {
				t.Error("events are missing and nothing told so")
			}
			v.leave()
		})
	}
}

// TestWhoWasEndedInHistoryGoesOnBehindTheEnd: others keep the channel open meanwhile.
func TestWhoWasEndedInHistoryGoesOnBehindTheEnd(t *testing.T) {
	for _, proto := range protos[:2] {
		t.Run(proto, func(t *testing.T) {
			n := startNode(t, web.Config{})
			n.must("PUT", "/v1/tenants/acme", nil, nil)
			n.must("PUT", "/v1/tenants/acme/plugins/mapper", guestModule(t, "mapper"), nil)
			n.route("acme", "m", "/m", map[string]any{"subjects": []string{"in"}, "plugin": "mapper", "onError": "close"})
			for _, data := range []string{"one", "fail", "two", "close", "three"} {
				n.publish("acme", "in", data)
			}
			stays := n.dial("/t/acme/m", proto, 0)
			v := n.dial("/t/acme/m?earliest", proto, 0)
			v.want("ONE")
			if e := v.next(); e.Name != "error" {
				t.Errorf("event %+v, want the failure", e)
			}
			v.ended()
			v = n.dial("/t/acme/m", proto, 0, "Last-Event-ID", v.reader.LastEventID())
			v.want("TWO", "closing")
			v.ended()
			v = n.dial("/t/acme/m", proto, 0, "Last-Event-ID", v.reader.LastEventID())
			v.want("THREE")
			n.publish("acme", "in", "four")
			v.want("FOUR")
			stays.want("FOUR")
		})
	}
}

// TestADeletedTenantsViewersEndOverTheDrain: so that they do not come back in one moment.
func TestADeletedTenantsViewersEndOverTheDrain(t *testing.T) {
	n := startStreamer(t, web.Config{Drain: 300 * time.Millisecond})
	n.route("acme", "tail", "/tail", map[string]any{"subjects": []string{"a"}})
	var all []*viewer
	for range 10 {
		all = append(all, n.dial("/t/acme/tail", "HTTP/1.1", 0), n.dial("/t/acme/s?case=wait", "HTTP/1.0", 0))
	}
	for i, v := range all {
		if i%2 == 1 {
			v.want("waiting")
		}
	}
	n.must("DELETE", "/v1/tenants/acme", nil, nil)
	for _, v := range all {
		v.ended()
		if raw := v.raw.String(); !strings.Contains(raw, "retry: ") || !strings.HasSuffix(raw, "\n\n") {
			t.Errorf("a stream of a tenant that was deleted ends with %q, want a retry", tailOf(raw))
		}
	}
	n.eventually("nothing to be left", func() bool { return n.web.Stats().Viewers == 0 && n.instances() <= 0 })
}

// TestAViewerThatLeavesWhileItsStreamOpensLeavesNothing: at any moment of the way.
func TestAViewerThatLeavesWhileItsStreamOpensLeavesNothing(t *testing.T) {
	n := startStreamer(t, web.Config{})
	n.route("acme", "tail", "/tail", map[string]any{"subjects": []string{"a"}})
	for i := range 60 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i/3)*time.Millisecond/2)
		path := []string{"/t/acme/tail", "/t/acme/tail?earliest", "/t/acme/s?case=wait"}[i%3]
		req, err := http.NewRequestWithContext(ctx, "GET", n.url+path, nil)
		check(t, err)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
		cancel()
	}
	n.eventually("nothing to be left", func() bool {
		var doc presenceDoc
		n.must("GET", "/v1/tenants/acme/routes/tail/viewers", nil, &doc)
		return n.web.Stats().Viewers == 0 && n.instances() <= 0 && doc.Viewers == 0
	})
}

// TestWhoIsBehindDoesNotWaitForTheNextEvent: the channel begins behind an event that is not in it.
func TestWhoIsBehindDoesNotWaitForTheNextEvent(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
	first := n.publish("acme", "a", "one")
	n.publish("acme", "a", "two")
	n.publish("acme", "other", "not in this stream")
	v := n.open("/t/acme/a", "Last-Event-ID", first)
	v.want("two")
	n.publish("acme", "a", "three")
	v.want("three")
}
