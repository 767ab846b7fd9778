package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/web"
)

// stamped is the streamer with a custom section, which makes it another version of the same.
func stamped(t *testing.T, stamp string) []byte {
	section := append([]byte{0, byte(1 + len(stamp)), byte(len(stamp))}, stamp...)
	return append(slices.Clip(guestModule(t, "streamer")), section...)
}

type routeDoc struct {
	Name, Path, Plugin string
	Revision           int
	Subjects           []string
	KeepAliveInterval  *int
	Access             any
	Version            struct {
		Version int
		Digest  string
	}
}

func TestPutIsIdempotent(t *testing.T) {
	n := startNode(t, web.Config{})
	route := map[string]any{"path": "/a", "subjects": []string{"a"}}
	for _, tt := range []struct {
		path string
		body any
	}{
		{"/v1/tenants/acme", nil},
		{"/v1/tenants/acme/plugins/p", guestModule(t, "streamer")},
		{"/v1/tenants/acme/routes/r", route},
		{"/v1/tenants/acme/routes/c/callback", guestModule(t, "streamer")},
	} {
		first, a := n.do("PUT", tt.path, adminToken, tt.body)
		again, b := n.do("PUT", tt.path, adminToken, tt.body)
		if first.StatusCode != 201 || again.StatusCode != 200 || string(a) != string(b) {
			t.Errorf("PUT %s: %d then %d, want 201 then 200 with the same answer:\n%s\n%s", tt.path, first.StatusCode, again.StatusCode, a, b)
		}
	}
	var r routeDoc
	n.must("GET", "/v1/tenants/acme/routes/r", nil, &r)
	if r.Revision != 1 || r.KeepAliveInterval == nil || *r.KeepAliveInterval != 15000 || r.Access != "private" {
		t.Errorf("route %+v, want revision 1 with the defaults", r)
	}
}

func TestACallbackIsOneCallFromLive(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	var r routeDoc
	n.must("PUT", "/v1/tenants/acme/routes/mine/callback", guestModule(t, "streamer"), &r)
	if r.Path != "/mine" || r.Version.Version != 1 || r.Plugin != "mine@"+r.Version.Digest {
		t.Errorf("route %+v", r)
	}
	n.open("/t/acme/mine?case=hello", "Authorization", "Bearer "+adminToken).next()
	n.must("PUT", "/v1/tenants/acme/routes/map/callback", guestModule(t, "mapper"), &r)
	if !slices.Equal(r.Subjects, []string{"map", "map.>"}) {
		t.Errorf("subjects %q of an event callback's new route", r.Subjects)
	}
	v := n.open("/t/acme/map", "Authorization", "Bearer "+adminToken)
	n.publish("acme", "map.x", "hello")
	v.want("HELLO")
}

func TestRevisionsAndRollback(t *testing.T) {
	n := startNodeWith(t, t.TempDir(), host.Config{}, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	callback := "/v1/tenants/acme/routes/s/callback"
	var one, two routeDoc
	n.must("PUT", callback, stamped(t, "one"), &one)
	old := n.open("/t/acme/s?case=wait", "Authorization", "Bearer "+adminToken)
	old.want("waiting")
	n.must("PUT", callback, stamped(t, "two"), &two)
	if one.Plugin == two.Plugin || two.Revision != 2 || two.Version.Version != 2 {
		t.Fatalf("first %+v, second %+v", one, two)
	}
	if got := n.host.Stats().Modules; got != 2 {
		t.Errorf("%d modules are prepared, want 2: an open stream keeps its version", got)
	}
	var back routeDoc
	n.must("POST", "/v1/tenants/acme/routes/s/rollback", nil, &back)
	if back.Revision != 3 || back.Plugin != one.Plugin {
		t.Errorf("rolled back to %+v, want the first version as revision 3", back)
	}
	n.must("POST", "/v1/tenants/acme/routes/s/rollback", map[string]int{"to": 2}, &back)
	if back.Revision != 4 || back.Plugin != two.Plugin {
		t.Errorf("rolled back to %+v, want the second version as revision 4", back)
	}
	var all struct{ Revisions []routeDoc }
	n.must("GET", "/v1/tenants/acme/routes/s/revisions", nil, &all)
	var numbers []int
	for _, r := range all.Revisions {
		numbers = append(numbers, r.Revision)
	}
	if !slices.Equal(numbers, []int{4, 3, 2, 1}) {
		t.Errorf("revisions %d, want the newest first", numbers)
	}
	old.leave()
	n.eventually("the old version to be let go", func() bool { return n.host.Stats().Modules == 1 })

	n.must("DELETE", "/v1/tenants/acme/routes/s", nil, nil)
	if got := n.status("GET", "/t/acme/s?case=hello", adminToken, nil); got != 404 {
		t.Errorf("a deleted route is a %d, want 404", got)
	}
	n.must("DELETE", "/v1/tenants/acme/plugins/s", nil, nil)
	if got := n.status("GET", "/v1/tenants/acme/plugins/s", adminToken, nil); got != 404 {
		t.Errorf("a deleted plugin is a %d, want 404", got)
	}
}

func TestARouteCanPinAVersionOrFollowTheNewest(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	upload := func(module []byte) {
		n.must("PUT", "/v1/tenants/acme/plugins/p", module, nil)
	}
	upload(guestModule(t, "streamer"))
	n.route("acme", "pinned", "/pinned", map[string]any{"plugin": "p@1"})
	n.route("acme", "newest", "/newest", map[string]any{"plugin": "p", "subjects": []string{"in"}})
	upload(guestModule(t, "mapper"))
	n.open("/t/acme/pinned?case=hello").want("hello ")
	n.eventually("the newest version to be served", func() bool {
		v := n.open("/t/acme/newest?case=hello")
		defer v.leave()
		n.publish("acme", "in", "x")
		e := v.next()
		return e.Data == "X"
	})
}

func TestPublishIsIdempotentByKey(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	publish := func(key, data string) (id string) {
		req, err := http.NewRequest("POST", n.url+"/v1/tenants/acme/events/a?event=named", strings.NewReader(data))
		check(t, err)
		req.Header.Set("Authorization", "Bearer "+adminToken)
		req.Header.Set("Idempotency-Key", key)
		resp, err := http.DefaultClient.Do(req)
		check(t, err)
		defer resp.Body.Close()
		var out struct{ ID string }
		check(t, json.NewDecoder(resp.Body).Decode(&out))
		if resp.StatusCode != 201 {
			t.Fatalf("publish: %s", resp.Status)
		}
		return out.ID
	}
	one, again, two := publish("k1", "one"), publish("k1", "one"), publish("k2", "two")
	if one != again || one == two {
		t.Errorf("ids %q, %q, %q; want the first two equal, the third not", one, again, two)
	}
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
	v := n.open("/t/acme/a?earliest")
	v.want("one", "two")
}

func TestBatchKeepsOrderAndIDs(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a.>"}})
	var lines strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lines, "{\"subject\": \"a.%d\", \"data\": \"%d\", \"event\": \"e\", \"key\": \"k%d\"}\n", i%10, i, i)
	}
	var first, again struct{ IDs []string }
	n.must("POST", "/v1/tenants/acme/events", lines.String(), &first)
	n.must("POST", "/v1/tenants/acme/events", lines.String(), &again)
	if len(first.IDs) != 1000 || !slices.Equal(first.IDs, again.IDs) {
		t.Fatalf("%d ids, the same again %v", len(first.IDs), slices.Equal(first.IDs, again.IDs))
	}
	n.must("POST", "/v1/tenants/acme/events", `{"subject": "a.json", "data": {"n": [1, 2]}}`, nil)
	v := n.open("/t/acme/a?earliest")
	for i := range 1000 {
		if e := v.next(); e.Data != fmt.Sprint(i) || e.ID != first.IDs[i] || e.Name != "e" {
			t.Fatalf("event %+v, want %d with id %q", e, i, first.IDs[i])
		}
	}
	v.want(`{"n": [1, 2]}`)
}

func TestConcurrentUploadsAllCount(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	module := wasmWith("", "", true, "onStream")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("v%d", i)
			n.must("PUT", "/v1/tenants/acme/routes/r/callback", append(slices.Clip(module), append([]byte{0, 3, 2}, name...)...), nil)
		})
	}
	wg.Wait()
	var p struct{ Versions []struct{ Version int } }
	n.must("GET", "/v1/tenants/acme/plugins/r", nil, &p)
	if len(p.Versions) != 8 || p.Versions[0].Version != 8 {
		t.Errorf("versions %+v, want 8 to 1", p.Versions)
	}
	var r routeDoc
	n.must("GET", "/v1/tenants/acme/routes/r", nil, &r)
	if r.Revision != 8 {
		t.Errorf("revision %d, want 8", r.Revision)
	}
}

func TestRollbackCannotTakeAnotherRoutesPath(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "zz", "/secret/:x", map[string]any{"subjects": []string{"a"}})
	n.route("acme", "zz", "/other", map[string]any{"subjects": []string{"a"}})
	n.route("acme", "sec", "/secret/:id", map[string]any{"subjects": []string{"a"}, "access": "private"})
	if got := n.status("POST", "/v1/tenants/acme/routes/zz/rollback", adminToken, nil); got != 409 {
		t.Errorf("rolling back to a path that is another route's now is a %d, want 409", got)
	}
	if got := n.status("GET", "/t/acme/secret/1", "", nil); got != 401 {
		t.Errorf("the private route is a %d for nobody, want 401", got)
	}
}

func TestConcurrentChangesOfATenantAllAnswer(t *testing.T) {
	n := startNode(t, web.Config{})
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			n.must("PUT", "/v1/tenants/acme", map[string]any{"quotas": map[string]any{"historyAge": fmt.Sprintf("%dh", i+1)}}, nil)
		})
	}
	wg.Wait()
}

func TestConcurrentRoutesNeverShareAPath(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	var made atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if n.status("PUT", fmt.Sprintf("/v1/tenants/acme/routes/r%d", i), adminToken, map[string]any{"path": "/same", "subjects": []string{"a"}}) == 201 {
				made.Add(1)
			}
		})
	}
	wg.Wait()
	if got := made.Load(); got != 1 {
		t.Errorf("%d routes got one path, want 1", got)
	}
}

func TestAKeyIsForOneSubject(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	var out struct{ IDs []string }
	lines := `{"subject": "a", "data": "1", "key": "k"}` + "\n" + `{"subject": "b", "data": "2", "key": "k"}`
	n.must("POST", "/v1/tenants/acme/events", lines, &out)
	if len(out.IDs) != 2 || out.IDs[0] == out.IDs[1] {
		t.Errorf("ids %q: one subject's key took another's event", out.IDs)
	}
}

func TestARouteMadeAgainHasItsOwnChannel(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.must("PUT", "/v1/tenants/acme/plugins/mapper", guestModule(t, "mapper"), nil)
	n.route("acme", "m", "/m", map[string]any{"subjects": []string{"in"}, "plugin": "mapper", "onError": "close"})
	old := n.open("/t/acme/m")
	n.must("DELETE", "/v1/tenants/acme/routes/m", nil, nil)
	old.ended()
	n.route("acme", "m", "/m", map[string]any{"subjects": []string{"in"}, "plugin": "mapper", "onError": "pass"})
	v := n.open("/t/acme/m")
	n.publish("acme", "in", "fail")
	v.want("fail")
}

func TestARouteThatTurnsPrivateEndsStreamsThatItWouldNotOpen(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
	_, secret := n.token("acme", nil, "subscribe")
	_, publisher := n.token("acme", nil, "publish")
	_, elsewhere := n.token("acme", []string{"b"}, "subscribe")
	refused := []*viewer{n.open("/t/acme/a")}
	for _, s := range []string{publisher, elsewhere} {
		refused = append(refused, n.open("/t/acme/a", "Authorization", "Bearer "+s))
	}
	holder := n.open("/t/acme/a", "Authorization", "Bearer "+secret)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}, "access": "private"})
	for _, v := range refused {
		if e := v.next(); e.Name != "expired" {
			t.Errorf("event %q %q, want expired", e.Name, e.Data)
		}
		v.ended()
	}
	n.publish("acme", "a", "still here")
	holder.want("still here")
}

func TestSinceAtTheEdgesOfTime(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
	n.publish("acme", "a", "old")
	for _, since := range []string{"0001-01-01T00:00:00Z", "1600-01-01T00:00:00Z", "1970-01-01T00:00:00Z"} {
		n.open("/t/acme/a?since=" + since).want("old")
	}
	far := n.open("/t/acme/a?since=9999-12-31T00:00:00Z")
	n.publish("acme", "a", "new")
	far.want("new")
}

func TestASlowBodyHoldsItsPlace(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "p", "/p", map[string]any{"subjects": []string{"a"}, "methods": []string{"POST"}, "limits": map[string]any{"connections": 1}})
	slow, body := io.Pipe()
	defer body.Close()
	req, err := http.NewRequest("POST", n.url+"/t/acme/p", slow)
	check(t, err)
	go func() { _, _ = http.DefaultClient.Do(req) }()
	n.eventually("the slow request to be counted", func() bool { return n.web.Stats().Viewers == 1 })
	if got := n.status("POST", "/t/acme/p", "", "x"); got != 429 {
		t.Errorf("a second request is a %d, want 429", got)
	}
}
