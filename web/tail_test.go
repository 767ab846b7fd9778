package web_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/web"
)

func TestPlainTail(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "quotes", "/quotes/:symbol", map[string]any{"subjects": []string{"quotes.{symbol}"}, "retry": 1500})
	first := n.publish("acme", "quotes.AAPL", "one")
	n.publish("acme", "quotes.MSFT", "not this")

	v := n.open("/t/acme/quotes/AAPL")
	h := v.resp.Header
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no",
		"Content-Encoding": "", "Connection": "", "Access-Control-Allow-Origin": "",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	second := n.publish("acme", "quotes.AAPL", "two\nlines")
	e := v.next()
	if e.Data != "two\nlines" || e.ID != second || e.Name != "" {
		t.Errorf("event %+v, want data %q with id %q", e, "two\nlines", second)
	}
	if head := v.raw.String(); !strings.HasPrefix(head, "retry: 1500\n") || strings.Index(head, "\nid: ") > strings.Index(head, "data:") {
		t.Errorf("the stream begins with %q, want retry and an id before any data", head)
	}
	if n := v.reader.LastEventID(); n != second {
		t.Errorf("last event id %q, want %q", n, second)
	}

	for name, q := range map[string]string{
		"header": "", "last_event_id": "?last_event_id=" + first, "lastEventId": "?lastEventId=" + first, "lastEventID": "?lastEventID=" + first,
	} {
		var headers []string
		if q == "" {
			headers = []string{"Last-Event-ID", first}
		}
		n.open("/t/acme/quotes/AAPL"+q, headers...).want("two\nlines")
		t.Log("resumed by", name)
	}
	n.open("/t/acme/quotes/AAPL?last_event_id="+first, "Last-Event-ID", second) // the header comes first
	n.open("/t/acme/quotes/AAPL?earliest").want("one", "two\nlines")
	n.open("/t/acme/quotes/AAPL?last_event_id=earliest").want("one", "two\nlines")
	n.open("/t/acme/quotes/AAPL?since="+url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339))).want("one", "two\nlines")
	since := n.open("/t/acme/quotes/AAPL?since=" + url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339)))
	n.publish("acme", "quotes.AAPL", "three")
	since.want("three")
	if got := n.status("GET", "/t/acme/quotes/AAPL?since=yesterday", "", nil); got != 400 {
		t.Errorf("since=yesterday is a %d, want 400", got)
	}
}

func TestUnusableIDsResetAStream(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
	id := n.publish("acme", "a", "old")
	p, ok := broker.ParsePosition(id)
	if !ok {
		t.Fatalf("id %q is no position", id)
	}
	for name, last := range map[string]string{
		"another epoch":     "zzzzzzzz-1",
		"from the future":   broker.Position{Epoch: p.Epoch, Seq: p.Seq + 1000}.String(),
		"not a position":    "42",
		"rubbish":           "\xff ; drop table",
		"longer than an id": strings.Repeat("9", 4000),
	} {
		v := n.open("/t/acme/a", "Last-Event-ID", last)
		e := v.next()
		if e.Name != "reset" {
			t.Errorf("%s: first event is %q %q, want reset", name, e.Name, e.Data)
		}
		if got := v.reader.LastEventID(); got != id {
			t.Errorf("%s: resumes from %q after the reset, want the live end %q", name, got, id)
		}
		data := "after " + name
		n.publish("acme", "a", data)
		v.want(data)
		id = v.reader.LastEventID()
		v.leave()
	}
}

func TestHistoryThatWasCutIsAGap(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", map[string]any{"quotas": map[string]any{"historyBytes": 1 << 20}}, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
	first := n.publish("acme", "a", "first")
	for range 40 {
		n.publish("acme", "a", strings.Repeat("x", 64<<10))
	}
	n.publish("acme", "a", "last")
	v := n.open("/t/acme/a", "Last-Event-ID", first)
	e := v.next()
	var doc struct{ Oldest string }
	if err := json.Unmarshal([]byte(e.Data), &doc); e.Name != "gap" || err != nil || doc.Oldest == "" {
		t.Fatalf("first event %q %.100q, want gap with the oldest id", e.Name, e.Data)
	}
	for v.next().Data != "last" {
	}
	if first := v.reader.LastEventID(); first <= doc.Oldest && len(first) <= len(doc.Oldest) {
		t.Errorf("ends at %q, the oldest is %q", first, doc.Oldest)
	}
}

// TestViewersOfAChannelGetWhatTheyAskFor attaches viewers anywhere while events flow, with a ring
// so small that they fall out of it, and wants each to receive exactly its suffix.
func TestViewersOfAChannelGetWhatTheyAskFor(t *testing.T) {
	n := startNode(t, web.Config{RingBytes: 300, QueueBytes: 200})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a.>"}})
	const total, viewers = 600, 12
	ids := make([]string, total)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range total {
			if i%3 == 0 {
				n.publish("acme", "other", "not in this stream")
			}
			ids[i] = n.publish("acme", fmt.Sprintf("a.%d", i%7), fmt.Sprint(i))
		}
	}()
	var all []*viewer
	for range viewers / 2 {
		all = append(all, n.open("/t/acme/a?earliest"))
	}
	<-done
	for i := range viewers / 2 {
		all = append(all, n.open("/t/acme/a", "Last-Event-ID", ids[i*total/viewers]))
	}
	for k, v := range all {
		from := 0
		if k >= viewers/2 {
			from = (k-viewers/2)*total/viewers + 1
		}
		for i := from; i < total; i++ {
			if e := v.next(); e.Data != fmt.Sprint(i) || e.ID != ids[i] {
				t.Fatalf("viewer %d: event %q with id %q, want %d with %q", k, e.Data, e.ID, i, ids[i])
			}
		}
	}
}

func TestKeepAliveTellsThePosition(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a", "b"}, "plugin": nil, "keepAliveInterval": 10})
	n.must("PUT", "/v1/tenants/acme/plugins/mapper", guestModule(t, "mapper"), nil)
	n.route("acme", "m", "/m", map[string]any{"subjects": []string{"a"}, "plugin": "mapper", "keepAliveInterval": 10})
	v := n.open("/t/acme/m")
	id := n.publish("acme", "a", "drop")
	lines := make(chan string)
	go func() {
		defer close(lines)
		buf := make([]byte, 4096)
		for {
			k, err := v.resp.Body.Read(buf)
			if err != nil {
				return
			}
			lines <- string(buf[:k])
		}
	}()
	var all strings.Builder
	n.eventually("an id without an event", func() bool {
		all.WriteString(<-lines)
		return strings.Contains(all.String(), "id: "+id+"\n")
	})
	n.eventually("a comment", func() bool {
		all.WriteString(<-lines)
		return strings.Contains(all.String(), "\n:")
	})
	if strings.Contains(all.String(), "data:") {
		t.Errorf("a dropped event shows: %q", all.String())
	}
	v.leave()
	for range lines {
	}
}

func TestEventCallback(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.must("PUT", "/v1/tenants/acme/plugins/mapper", guestModule(t, "mapper"), nil)
	n.route("acme", "m", "/m", map[string]any{"subjects": []string{"in"}, "plugin": "mapper"})

	input := []string{"one", "drop", "pass", "many 3", "two", "many 1", "many 0", "three"}
	want := []string{"ONE", "pass", "0", "1", "2", "TWO", "0", "THREE"}
	v := n.open("/t/acme/m")
	for _, data := range input {
		n.publish("acme", "in", data)
	}
	var got []abi.Event
	for range want {
		got = append(got, v.next())
	}
	for i, e := range got {
		if e.Data != want[i] {
			t.Fatalf("event %d is %q, want %q", i, e.Data, want[i])
		}
	}
	if got[0].Name != "mapped" || got[1].Name != "" || got[2].Name != "part" {
		t.Errorf("names %q, %q, %q; want mapped, none, part", got[0].Name, got[1].Name, got[2].Name)
	}
	seen := map[string]bool{}
	for _, e := range got {
		if e.ID == "" || seen[e.ID] {
			t.Errorf("id %q of %q is none or stands twice", e.ID, e.Data)
		}
		seen[e.ID] = true
	}
	// Cut behind every event, in the middle of one event's outputs too: the rest follows exactly.
	for i, e := range got {
		v := n.open("/t/acme/m", "Last-Event-ID", e.ID)
		v.want(want[i+1:]...)
		n.publish("acme", "in", "live")
		v.want("LIVE")
		v.leave()
		want = append(want, "LIVE")
	}
}

func TestEventCallbackRunsOncePerEventAndNode(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.must("PUT", "/v1/tenants/acme/plugins/mapper", guestModule(t, "mapper"), nil)
	n.route("acme", "m", "/m", map[string]any{"subjects": []string{"in"}, "plugin": "mapper"})
	a, b := n.open("/t/acme/m"), n.open("/t/acme/m")
	n.publish("acme", "in", "count")
	n.publish("acme", "in", "count")
	a.want("1", "2")
	b.want("1", "2")
}

func TestEventCallbackOfScopeViewerSeesTheRequest(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.must("PUT", "/v1/tenants/acme/plugins/mapper", guestModule(t, "mapper"), nil)
	n.route("acme", "m", "/m", map[string]any{"subjects": []string{"in"}, "plugin": "mapper", "scope": "viewer"})
	n.route("acme", "s", "/s", map[string]any{"subjects": []string{"in"}, "plugin": "mapper"})
	a, b, shared := n.open("/t/acme/m?me=ann"), n.open("/t/acme/m?me=bob"), n.open("/t/acme/s?me=eve")
	id := n.publish("acme", "in", "who")
	n.publish("acme", "in", "x")
	a.want("ann", "X")
	b.want("bob", "X")
	shared.want("", "X")
	n.open("/t/acme/m?me=cid", "Last-Event-ID", id).want("X")
}

func TestOnErrorOfAnEventCallback(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.must("PUT", "/v1/tenants/acme/plugins/mapper", guestModule(t, "mapper"), nil)
	for _, policy := range []string{"close", "drop", "pass"} {
		n.route("acme", policy, "/"+policy, map[string]any{"subjects": []string{"in"}, "plugin": "mapper", "onError": policy})
	}
	closing, other, dropping, passing := n.open("/t/acme/close"), n.open("/t/acme/close"), n.open("/t/acme/drop"), n.open("/t/acme/pass")
	for _, data := range []string{"one", "panic", "fail", "two"} {
		n.publish("acme", "in", data)
	}
	dropping.want("ONE", "TWO")
	passing.want("ONE", "panic", "fail", "TWO")
	for _, v := range []*viewer{closing, other} {
		v.want("ONE")
		e := v.next()
		if e.Name != "error" || !strings.Contains(e.Data, "error") || strings.Contains(e.Data, "goroutine") {
			t.Errorf("event %q %q, want error without the plugin's insides", e.Name, e.Data)
		}
		v.ended()
		again := n.open("/t/acme/close", "Last-Event-ID", v.reader.LastEventID())
		if e := again.next(); e.Name != "error" {
			t.Errorf("after the reconnect comes %q %q, want the second failure", e.Name, e.Data)
		}
		again.ended()
		n.open("/t/acme/close", "Last-Event-ID", again.reader.LastEventID()).want("TWO")
	}
	logs := n.open("/v1/tenants/acme/plugins/mapper/logs", "Authorization", "Bearer "+adminToken)
	var lines []string
	for !slices.ContainsFunc(lines, func(s string) bool { return strings.Contains(s, "on purpose") }) {
		lines = append(lines, logs.next().Data)
	}
}

func TestEventCallbackCanCloseTheStream(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.must("PUT", "/v1/tenants/acme/plugins/mapper", guestModule(t, "mapper"), nil)
	n.route("acme", "m", "/m", map[string]any{"subjects": []string{"in"}, "plugin": "mapper"})
	v := n.open("/t/acme/m")
	n.publish("acme", "in", "close")
	v.want("closing")
	v.ended()
}

func TestAdminTail(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	_, secret := n.token("acme", []string{"a.>"}, "subscribe")
	v := n.open("/v1/tenants/acme/events?subject=a.>&subject=a.b", "Authorization", "Bearer "+secret)
	n.publish("acme", "b", "no")
	id := n.publish("acme", "a.b", "once")
	n.publish("acme", "a.c", "two")
	v.want("once", "two")
	n.open("/v1/tenants/acme/events?subject=a.>", "Authorization", "Bearer "+secret, "Last-Event-ID", id).want("two")
	for path, want := range map[string]int{"?subject=b": 403, "?subject=>": 403, "": 400, "?subject=a..b": 400} {
		if got := n.status("GET", "/v1/tenants/acme/events"+path, secret, nil); got != want {
			t.Errorf("GET events%s is a %d, want %d", path, got, want)
		}
	}
}
