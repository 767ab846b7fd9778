package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/web"
)

// startStreamer starts a node whose tenant acme serves the streamer on several routes.
func startStreamer(t *testing.T, c web.Config) *node {
	t.Helper()
	n := startNode(t, c)
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.must("PUT", "/v1/tenants/acme/plugins/streamer", guestModule(t, "streamer"), nil)
	n.route("acme", "s", "/s", map[string]any{"plugin": "streamer"})
	n.route("acme", "in", "/in", map[string]any{"plugin": "streamer", "subjects": []string{"in"}})
	return n
}

func (n *node) kv(tenant, key string) string {
	b, _ := n.broker.KVGet(n.t.Context(), tenant, key)
	return string(b)
}

func TestStreamCallback(t *testing.T) {
	n := startStreamer(t, web.Config{})
	n.route("acme", "hello", "/hello/:name", map[string]any{"plugin": "streamer"})
	v := n.open("/t/acme/hello/Ann%20B?case=hello")
	v.want("hello Ann B")
	v.ended()

	v = n.open("/t/acme/s?case=close")
	v.want("before")
	v.ended()

	for _, what := range []string{"fail", "panic", "unknown"} {
		v := n.open("/t/acme/s?case=" + what)
		if e := v.next(); e.Name != "error" || !strings.Contains(e.Data, `"error":`) {
			t.Errorf("%s: event %q %q, want error", what, e.Name, e.Data)
		}
		v.ended()
	}
	logs := n.open("/v1/tenants/acme/plugins/streamer/logs", "Authorization", "Bearer "+adminToken)
	for e := logs.next(); !strings.Contains(e.Data, "panic: on purpose"); e = logs.next() {
		if e.Name != "log" {
			t.Errorf("the log has an event %q", e.Name)
		}
	}
}

func TestStreamCallbackSeesItsRequest(t *testing.T) {
	n := startStreamer(t, web.Config{})
	n.route("acme", "post", "/post/:a/*", map[string]any{"plugin": "streamer", "methods": []string{"GET", "POST"}, "limits": map[string]any{"bodyBytes": 10}})
	req, err := http.NewRequest("POST", n.url+"/t/acme/post/x/y/z?case=request&k=1&k=2", strings.NewReader("the body"))
	check(t, err)
	for k, v := range map[string]string{"User-Agent": "tester", "Cookie": "secret=1", "Authorization": "Bearer " + adminToken, "Last-Event-ID": "mine"} {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	check(t, err)
	defer resp.Body.Close()
	v := &viewer{t: t, resp: resp, reader: newReader(resp.Body)}
	var r abi.Request
	check(t, json.Unmarshal([]byte(v.next().Data), &r))
	if r.Method != "POST" || r.Path != "/post/x/y/z" || r.Params["a"] != "x" || r.Params["*"] != "y/z" ||
		fmt.Sprint(r.Query["k"]) != "[1 2]" || r.LastEventID != "mine" || r.Tenant != "acme" || r.Route != "post" ||
		r.Headers["User-Agent"] != "tester" || r.RemoteAddress != "127.0.0.1" || r.Principal == nil || r.Principal.Subject != "operator" {
		t.Errorf("request %+v", r)
	}
	for name := range r.Headers {
		if name == "Cookie" || name == "Authorization" {
			t.Errorf("the callback sees the header %s", name)
		}
	}
	if e := v.next(); e.Name != "body" || e.Data != "the body" {
		t.Errorf("event %q %q, want the body", e.Name, e.Data)
	}
	if got := n.status("POST", "/t/acme/post/x/y?case=request", "", "more than ten"); got != 413 {
		t.Errorf("a body over the route's limit is a %d, want 413", got)
	}
}

func TestStreamCallbackResumesByTheIDsItForwards(t *testing.T) {
	n := startStreamer(t, web.Config{})
	v := n.open("/t/acme/in?case=echo")
	if id := idBefore(v, n, "in", "one"); id == "" {
		t.Error("a stream with input begins without an id to resume from")
	}
	n.publish("acme", "in", "two")
	v.want("two")
	last := v.reader.LastEventID()
	v.leave()
	n.publish("acme", "in", "three")
	v = n.open("/t/acme/in?case=echo", "Last-Event-ID", last)
	v.want("three")
	v = n.open("/t/acme/in?case=echo&earliest")
	v.want("one", "two", "three")
	// An id of the callback's own is for the callback; input is live.
	v = n.open("/t/acme/in?case=echo", "Last-Event-ID", "own-id")
	n.publish("acme", "in", "four")
	v.want("four")
}

// idBefore is the last event id that a viewer has before its first event, which is published now.
func idBefore(v *viewer, n *node, subject, data string) string {
	n.publish("acme", subject, data)
	v.want(data)
	head, _, _ := strings.Cut(v.raw.String(), "data:")
	for _, line := range strings.Split(head, "\n\n")[0:1] {
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			return id
		}
	}
	return ""
}

func TestStreamCallbackWithoutIDsResumesBehindWhatItUsedUp(t *testing.T) {
	n := startStreamer(t, web.Config{})
	v := n.open("/t/acme/in?case=bare")
	v.want("hello")
	if v.reader.LastEventID() == "" {
		t.Error("before the callback has received anything, a reconnect would miss events")
	}
	n.publish("acme", "in", "one")
	v.want("one")
	v.leave()
	n.publish("acme", "in", "two")
	v = n.open("/t/acme/in?case=bare&earliest", "Last-Event-ID", v.reader.LastEventID())
	v.want("hello", "two")
}

func TestViewerWhoIsCutBetweenTwoAnswersComesBackToTheSecond(t *testing.T) {
	n := startStreamer(t, web.Config{})
	v := n.open("/t/acme/in?case=pair&hold")
	n.publish("acme", "in", "X")
	v.want("first of X")
	v.leave()
	n.publish("acme", "in", "Y")
	v = n.open("/t/acme/in?case=pair", "Last-Event-ID", v.reader.LastEventID())
	v.want("second of X", "first of Y", "second of Y")
	v.leave()
	n.publish("acme", "in", "Z")
	v = n.open("/t/acme/in?case=pair", "Last-Event-ID", v.reader.LastEventID())
	v.want("first of Z", "second of Z")
}

func TestStreamCallbackPolls(t *testing.T) {
	n := startStreamer(t, web.Config{})
	n.open("/t/acme/in?case=poll").want("nothing")
	n.publish("acme", "in", "one")
	n.open("/t/acme/in?case=poll&earliest").want("one")
	v := n.open("/t/acme/s?case=poll") // no subjects
	if e := v.next(); e.Name != "error" {
		t.Errorf("receive without subjects: event %q %q, want error", e.Name, e.Data)
	}
}

func TestStreamCallbackPublishes(t *testing.T) {
	n := startStreamer(t, web.Config{})
	n.route("acme", "made", "/made", map[string]any{"subjects": []string{"made.>"}})
	v := n.open("/t/acme/made")
	n.open("/t/acme/s?case=publish").ended()
	if e := v.next(); e.Data != "by a callback" || e.Name != "made" {
		t.Errorf("event %+v", e)
	}
}

func TestCallbackEndsWithItsViewer(t *testing.T) {
	n := startStreamer(t, web.Config{})
	v := n.open("/t/acme/s?case=wait")
	v.want("waiting")
	v.leave()
	n.eventually("the callback to see that its viewer left", func() bool { return n.kv("acme", "left") == "yes" })
	n.eventually("its instance to be gone", func() bool { return n.instances() <= 0 })
}

func TestTimeoutStopsTheCallback(t *testing.T) {
	n := startStreamer(t, web.Config{})
	n.route("acme", "short", "/short", map[string]any{"plugin": "streamer", "timeout": 2000})
	v := n.open("/t/acme/short?case=wait")
	v.want("waiting")
	v.ended()
	n.eventually("the callback to be gone", func() bool { return n.instances() <= 0 })
	n.route("acme", "tail", "/tail", map[string]any{"subjects": []string{"a"}, "timeout": 50})
	n.open("/t/acme/tail").ended()
}

func TestEndlessLoopIsStoppedAndTold(t *testing.T) {
	n := startStreamer(t, web.Config{})
	v := n.open("/t/acme/s?case=spin")
	v.want("spinning")
	if e := v.next(); e.Name != "error" || !strings.Contains(e.Data, "without a call of the host") {
		t.Errorf("event %q %q, want an error that names the limit", e.Name, e.Data)
	}
	v.ended()
	n.eventually("the callback to be gone", func() bool { return n.instances() <= 0 })
}

func TestAsyncCallbackDoesNotWaitForItsViewer(t *testing.T) {
	n := startStreamer(t, web.Config{QueueBytes: 1 << 20})
	n.route("acme", "async", "/async", map[string]any{"plugin": "streamer", "async": true})
	v := n.open("/t/acme/async?case=flood&n=1000")
	n.eventually("all to be sent though nobody reads", func() bool { return n.kv("acme", "sent") == "1000" })
	for i := range 1000 {
		v.want(fmt.Sprint(i))
	}
}

func TestQueueOfAnAsyncCallbackIsBounded(t *testing.T) {
	n := startStreamer(t, web.Config{QueueBytes: 4 << 10, WriteTimeout: 300 * time.Millisecond})
	n.route("acme", "async", "/async", map[string]any{"plugin": "streamer", "async": true, "keepAliveInterval": 0})
	v := n.open("/t/acme/async?case=flood&n=100000000")
	// Nobody reads: the sockets fill, the queue fills, the callback waits, and the viewer is cut.
	n.eventually("the slow viewer to be cut", func() bool { return n.web.Stats().Viewers == 0 })
	n.eventually("its instance to be gone", func() bool { return n.instances() <= 0 })
	if n.kv("acme", "sent") != "" {
		t.Error("a hundred million events went somewhere")
	}
	v.leave()
}

func TestBusyNodeAnswers429(t *testing.T) {
	n := startStreamer(t, web.Config{})
	n.route("acme", "one", "/one", map[string]any{"plugin": "streamer", "limits": map[string]any{"connections": 1}})
	n.route("acme", "each", "/each", map[string]any{"plugin": "streamer", "limits": map[string]any{"perPrincipal": 1}})
	n.route("acme", "rate", "/rate", map[string]any{"plugin": "streamer", "limits": map[string]any{"connectsPerSecond": 1}})
	for _, path := range []string{"/t/acme/one", "/t/acme/each", "/t/acme/rate"} {
		v := n.open(path + "?case=wait")
		v.next()
		resp, body := n.do("GET", path+"?case=wait", "", nil)
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s with Retry-After %q: %s", path, resp.Status, resp.Header.Get("Retry-After"), body)
		}
		v.leave()
	}
	n.eventually("the place to be free again", func() bool { return n.web.Stats().Viewers == 0 })
	n.open("/t/acme/one?case=hello").next()
}

func TestFullNodeAnswers503(t *testing.T) {
	n := startStreamer(t, web.Config{Viewers: 1})
	v := n.open("/t/acme/s?case=wait")
	v.next()
	if resp, _ := n.do("GET", "/t/acme/s?case=wait", "", nil); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one viewer too many gets %s", resp.Status)
	}
}

func TestRetryAndCommentsComeFirst(t *testing.T) {
	n := startStreamer(t, web.Config{})
	n.route("acme", "r", "/r", map[string]any{"plugin": "streamer", "retry": 2500, "keepAliveInterval": 0})
	v := n.open("/t/acme/r?case=hello")
	v.next()
	if got, want := v.raw.String(), "retry: 2500\n\ndata: hello \n\n"; got != want {
		t.Errorf("stream %q, want %q", got, want)
	}
	v = n.open("/t/acme/s?case=hello")
	v.next()
	if got := v.raw.String(); !strings.HasPrefix(got, ":") {
		t.Errorf("stream without retry and positions begins with %q, want a comment", got)
	}
}

func TestDrainEndsStreamsWhole(t *testing.T) {
	n := startStreamer(t, web.Config{Drain: 200 * time.Millisecond})
	n.route("acme", "tail", "/tail", map[string]any{"subjects": []string{"a"}})
	var all []*viewer
	for i := range 10 {
		path := "/t/acme/tail"
		if i%2 == 0 {
			path = "/t/acme/s?case=wait"
		}
		all = append(all, n.open(path))
	}
	for i, v := range all {
		if i%2 == 0 {
			v.want("waiting")
		}
	}
	go n.stop()
	retries := map[string]bool{}
	for _, v := range all {
		v.ended()
		raw := v.raw.String()
		if !strings.HasSuffix(raw, "\n\n") || !strings.Contains(raw, "retry: ") {
			t.Errorf("a drained stream ends with %q, want a retry and no half frame", tailOf(raw))
		}
		_, retry, _ := strings.Cut(raw, "retry: ")
		retries[retry] = true
	}
	if len(retries) < 3 {
		t.Errorf("ten viewers come back after %d different times, want them spread", len(retries))
	}
	n.stop()
}
