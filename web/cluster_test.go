package web_test

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/cluster"
	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/web"
)

// startNodes starts a cluster of three nodes, n1 to n3.
func startNodes(t *testing.T, c web.Config) []*node {
	t.Helper()
	key, err := cluster.NewKey()
	check(t, err)
	dir, nodes := t.TempDir(), make([]*node, 3)
	var addresses []string
	for range nodes {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
		l.Close()
	}
	h := sharedHost(t)
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() {
			c := c
			c.Node = fmt.Sprint("n", i+1)
			nodes[i] = startNodeOf(t, broker.Config{
				Dir: filepath.Join(dir, c.Node), Node: c.Node,
				Cluster: &broker.Cluster{Key: key, Listen: addresses[i], Join: addresses},
			}, h, c)
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return nodes
}

// TestCluster is what nodes of a cluster know of each other.
func TestCluster(t *testing.T) {
	nodes := startNodes(t, web.Config{AllowPrivateOutbound: true})
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, nodes []*node)
	}{
		{"what one node has written none misses", testNothingIsMissed},
		{"presence is that of all nodes", testPresenceOfAll},
		{"a source's state and log are seen on every node", testSourceSeenEverywhere},
		{"and of one that was stopped", testStoppedSourceSeenEverywhere},
		{"who does not answer is told", testSilentNodesAreTold}, // the last: a node is gone then
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, n := range nodes {
				n.t = t
			}
			tt.run(t, nodes)
		})
	}
}

// testNothingIsMissed asks another node at once for each thing that was made.
func testNothingIsMissed(t *testing.T, nodes []*node) {
	module := wasmWith("", "", true, "onEvent")
	for i := range 6 {
		a, b := nodes[i%3], nodes[(i+1)%3]
		tenant := fmt.Sprint("miss", i)
		base := "/v1/tenants/" + tenant
		get := func(what, path, token string) {
			t.Helper()
			if got, body := b.do("GET", path, token, nil); got.StatusCode != 200 {
				t.Errorf("%s that node %s has just made is a %d on %s: %s", what, a.url, got.StatusCode, b.url, body)
			}
		}
		host := tenant + ".example.com"
		a.must("PUT", base, map[string]any{"hosts": []string{host}, "outbound": []string{"127.0.0.1"}}, nil)
		get("a tenant", base, adminToken)
		a.route(tenant, "h", "/h", map[string]any{"subjects": []string{"a"}})
		if got := b.statusAt(host, "/h"); got != 200 {
			t.Errorf("a stream at a host that node %s has just heard of is a %d on %s", a.url, got, b.url)
		}
		_, secret := a.token(tenant, nil, "admin")
		get("a token", base, secret)
		a.must("PUT", base+"/plugins/p", module, nil)
		get("a plugin", base+"/plugins/p", secret)
		a.must("PUT", base+"/plugins/q", module, nil)
		b.must("PUT", base+"/routes/q", map[string]any{"path": "/q", "plugin": "q@1", "subjects": []string{"a"}}, nil)
		a.route(tenant, "r", "/r", map[string]any{"subjects": []string{"a"}})
		get("a route", base+"/routes/r", secret)
		a.route(tenant, "s", "/s", map[string]any{"subjects": []string{"a"}})
		b.open("/t/" + tenant + "/s").leave()
		_, reader := a.token(tenant, nil, "subscribe")
		b.open("/t/"+tenant+"/q", "Authorization", "Bearer "+reader).leave()
		a.must("PUT", base+"/sources/s", map[string]any{"url": "http://127.0.0.1:1/", "subject": "a"}, nil)
		get("a source", base+"/sources/s", secret)
		a.must("DELETE", base+"/sources/s", nil, nil)
		if got := b.status("GET", base+"/plugins/none", secret, nil); got != 404 {
			t.Errorf("a plugin that nobody has made is a %d, want 404", got)
		}
		if got := b.status("GET", "/t/"+tenant+"/none", "", nil); got != 404 {
			t.Errorf("a route that nobody has made is a %d, want 404", got)
		}
	}
}

// statusAt opens a stream at a host of a tenant's own and leaves it.
func (n *node) statusAt(host, path string) int {
	n.t.Helper()
	req, err := http.NewRequest("GET", n.url+path, nil)
	check(n.t, err)
	req.Host = host
	resp, err := n.client.Do(req)
	check(n.t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

func testPresenceOfAll(t *testing.T, nodes []*node) {
	nodes[0].must("PUT", "/v1/tenants/here", nil, nil)
	nodes[0].route("here", "q", "/q/:symbol", map[string]any{"subjects": []string{"q.{symbol}"}})
	id, secret := nodes[0].token("here", nil, "subscribe")
	var leavers []*viewer
	for i, n := range nodes {
		for range i + 1 {
			leavers = append(leavers, n.open("/t/here/q/A", "Authorization", "Bearer "+secret))
		}
	}
	nodes[2].open("/t/here/q/B")
	presence := func(n *node, query string) (doc presenceDoc) {
		t.Helper()
		n.must("GET", "/v1/tenants/here/routes/q/viewers"+query, nil, &doc)
		return doc
	}
	want := presenceDoc{
		7, []presentNode{{"n1", 1}, {"n2", 2}, {"n3", 4}}, []string{},
		[]presentDoc{{"q.A", 6}, {"q.B", 1}}, []presentDoc{{"token " + id, 6}, {"address 127.0.0.1", 1}},
	}
	for _, n := range nodes {
		n.eventually("all nodes to answer", func() bool { return reflect.DeepEqual(presence(n, ""), want) })
	}
	if got := presence(nodes[0], "?node=n3&subject=q.A"); got.Viewers != 3 || !reflect.DeepEqual(got.Nodes, []presentNode{{"n3", 3}}) {
		t.Errorf("viewers of q.A on n3: %+v, want 3", got)
	}
	for _, v := range leavers {
		v.leave()
	}
	nodes[1].eventually("the others to be gone", func() bool { return presence(nodes[1], "").Viewers == 1 })
}

func testSourceSeenEverywhere(t *testing.T, nodes []*node) {
	nodes[0].must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}}, nil)
	far := remote(t, resumed(sourcetest.Plain(3)))
	const sources = 20 // so many that more than one node has some, but once in a thousand million
	for i := range sources {
		nodes[0].source(fmt.Sprint("s", i), far.URL, map[string]any{"subject": fmt.Sprint("s.", i)})
	}
	type status struct {
		State, Node string
		Stored      int
	}
	state := func(n *node, i int) status {
		var doc struct{ Status status }
		n.must("GET", fmt.Sprint("/v1/tenants/acme/sources/s", i), nil, &doc)
		return doc.Status
	}
	runners := map[string]bool{}
	for i := range sources {
		var first status
		for _, n := range nodes {
			n.eventually("the state of the source to be known", func() bool {
				first = state(n, i)
				return first.State == "open" && first.Node != "" && first.Stored == 3
			})
			runners[first.Node] = true
		}
	}
	if len(runners) < 2 {
		t.Fatalf("all sources run on %v", runners)
	}
	for _, n := range nodes {
		var all struct{ Sources []struct{ Status status } }
		n.must("GET", "/v1/tenants/acme/sources", nil, &all)
		for _, s := range all.Sources {
			if s.Status.State != "open" || s.Status.Stored != 3 {
				t.Errorf("%s lists %+v, want all open", n.url, all.Sources)
				break
			}
		}
		v := n.open("/v1/tenants/acme/sources/s0/logs", "Authorization", "Bearer "+adminToken)
		if e := v.next(); e.Name != "log" || !strings.Contains(e.Data, `"level"`) {
			t.Errorf("%s: first of the log is %+v", n.url, e)
		}
		v.leave()
	}
}

// testStoppedSourceSeenEverywhere goes on with a source of testSourceSeenEverywhere.
func testStoppedSourceSeenEverywhere(t *testing.T, nodes []*node) {
	nodes[1].must("POST", "/v1/tenants/acme/sources/s1/stop", nil, nil)
	for _, n := range nodes {
		var doc struct {
			Status struct {
				State, Node string
				Stored      int
			}
		}
		n.eventually("what the stopped source has stored", func() bool {
			n.must("GET", "/v1/tenants/acme/sources/s1", nil, &doc)
			return doc.Status.State == "stopped" && doc.Status.Stored == 3
		})
		v := n.open("/v1/tenants/acme/sources/s1/logs", "Authorization", "Bearer "+adminToken)
		if e := v.next(); e.Name != "log" {
			t.Errorf("%s: first of the log is %+v", n.url, e)
		}
		v.leave()
	}
}

func testSilentNodesAreTold(t *testing.T, nodes []*node) {
	nodes[2].stop()
	nodes[0].eventually("the node to be told as silent", func() bool {
		var doc presenceDoc
		nodes[0].must("GET", "/v1/tenants/here/routes/q/viewers", nil, &doc)
		return reflect.DeepEqual(doc.Silent, []string{"n3"}) && len(doc.Nodes) == 2
	})
}
