package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/cluster"
)

func TestClusterConfig(t *testing.T) {
	key, err := cluster.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		cluster broker.Cluster
		want    string // in the error; none for nothing wrong
	}{
		{"three nodes", broker.Cluster{Key: key, Listen: "a:1", Join: []string{"b:1", "c:1"}}, ""},
		{"its own address among them", broker.Cluster{Key: key, Listen: "a:1", Join: []string{"a:1", "b:1", "c:1"}}, ""},
		{"two nodes", broker.Cluster{Key: key, Listen: "a:1", Join: []string{"b:1"}}, "cluster of 2 nodes"},
		{"two, one of them twice", broker.Cluster{Key: key, Listen: "a:1", Join: []string{"b:1", "b:1", "a:1"}}, "cluster of 2 nodes"},
		{"two, of which its own is not written as it listens", broker.Cluster{Key: key, Listen: "0.0.0.0:1", Join: []string{"localhost:1", "192.0.2.1:1"}}, "cluster of 2 nodes"},
		{"three on one machine", broker.Cluster{Key: key, Listen: "127.0.0.1:1", Join: []string{"127.0.0.1:2", "127.0.0.1:3"}}, ""},
		{"no key", broker.Cluster{Listen: "a:1", Join: []string{"b:1", "c:1"}}, "no key"},
		{"no port", broker.Cluster{Key: key, Listen: "a", Join: []string{"b:1", "c:1"}}, `"a" is not host:port`},
		{"a port that is none", broker.Cluster{Key: key, Listen: "a:1", Join: []string{"b:1", "c:x"}}, `"c:x" is not host:port`},
	} {
		_, err := broker.New(broker.Config{Dir: t.TempDir(), Cluster: &tt.cluster})
		if (err == nil) != (tt.want == "") || err != nil && !contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestADataFolderIsOfOneCluster(t *testing.T) {
	var keys [2]*cluster.Key
	for i := range keys {
		var err error
		if keys[i], err = cluster.NewKey(); err != nil {
			t.Fatal(err)
		}
	}
	alone, inCluster := t.TempDir(), t.TempDir()
	_, stop := start(t, broker.Config{Dir: alone})
	stop()
	joined := func(dir string, key *cluster.Key) broker.Config {
		return broker.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler), Cluster: &broker.Cluster{
			Key: key, Listen: freeAddress(t), Join: []string{freeAddress(t), freeAddress(t)},
		}}
	}
	run := func(c broker.Config, ctx context.Context) error {
		b, err := broker.New(c)
		if err != nil {
			t.Fatal(err)
		}
		return b.Run(ctx)
	}
	ended, cancel := context.WithCancel(within(t))
	cancel() // the others never come; that it began to wait for them is enough
	if err := run(joined(inCluster, keys[0]), ended); err != nil {
		t.Errorf("a new folder: %v", err)
	}
	for name, c := range map[string]broker.Config{
		"a cluster's data with another key": joined(inCluster, keys[1]),
		"a cluster's data alone":            {Dir: inCluster},
		"a lone node's data in a cluster":   joined(alone, keys[0]),
	} {
		if err := run(c, within(t)); err == nil || !contains(err.Error(), "data folder is of a node") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCluster uses three nodes that all live.
func TestCluster(t *testing.T) {
	c := startCluster(t, 3)
	tenant(t, c.brokers[0], "acme", broker.Spec{})
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, c *nodes)
	}{
		{"what one writes all see", testSeenEverywhere},
		{"all publish, and each has the same history", testSameHistory},
		{"an id of one is good on the others", testResumeAnywhere},
		{"a batch with keys that were used stores the others", func(t *testing.T, c *nodes) { testBatchWithKeys(t, c.brokers[1]) }},
		{"a plugin's bytes outlive a race of its upload and its deletion", testPluginRace},
		{"a key has one holder", testKeysAreShared},
		{"workers on all nodes do no harm", testWorkersEverywhere},
		{"all know of each other, and one leads", testNodesAreKnown},
		{"a node that rests lets go of its keys", testRest},
		{"a node without data carries viewers, and holds no keys", testEdge},
		{"a backup of one is restored to all", testRestoreToAll},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, c) })
	}
}

func testSeenEverywhere(t *testing.T, c *nodes) {
	ctx := within(t)
	for i, b := range c.brokers {
		name := fmt.Sprint("of-", i)
		tenant(t, b, name, broker.Spec{})
		if err := b.PutSecret(ctx, name, "key", []byte(plain)); err != nil {
			t.Fatal(err)
		}
		plugin := upload(t, b, name, "p", fmt.Sprint("bytes ", i))
		if err := b.KVPut(ctx, name, "k", []byte{byte(i)}, 0); err != nil {
			t.Fatal(err)
		}
		for j, other := range c.brokers {
			if _, err := other.View(ctx, name); err != nil {
				t.Errorf("tenant of node %d on %d: %v", i, j, err)
			}
			if got, err := other.Secret(ctx, name, "key", "a.example"); got != plain || err != nil {
				t.Errorf("secret of node %d on %d: %q, %v", i, j, got, err)
			}
			if got, err := other.PluginBytes(ctx, plugin.Digest); string(got) != fmt.Sprint("bytes ", i) || err != nil {
				t.Errorf("plugin of node %d on %d: %q, %v", i, j, got, err)
			}
			if got, err := other.KVGet(ctx, name, "k"); err != nil || got[0] != byte(i) {
				t.Errorf("value of node %d on %d: %v, %v", i, j, got, err)
			}
		}
		if v, err := c.brokers[(i+2)%3].Fresh(ctx, name); err != nil || len(v.Plugins) != 1 || len(v.Secrets) != 1 {
			t.Errorf("fresh view of node %d's tenant: %+v, %v", i, v, err)
		}
		if err := c.brokers[(i+1)%3].DeleteTenant(ctx, name); err != nil {
			t.Errorf("delete tenant of node %d on the next: %v", i, err)
		}
	}
}

// testSameHistory publishes from all nodes at once and follows on all.
func testSameHistory(t *testing.T, c *nodes) {
	const each = 300
	var subs []*broker.Subscription
	for _, b := range c.brokers {
		subs = append(subs, subscribe(t, b, "acme", broker.From{}, "same"))
	}
	var wg sync.WaitGroup
	for i, b := range c.brokers {
		wg.Go(func() {
			for n := range each {
				if _, err := b.Publish(within(t), "acme", broker.Publication{Subject: "same", Data: fmt.Sprint(i, "-", n)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	var first []string
	for i, s := range subs {
		var got []string
		for _, e := range take(t, s, 3*each) {
			got = append(got, e.ID+" "+e.Data)
		}
		if i == 0 {
			first = got
		}
		if !slices.Equal(got, first) || len(got) != 3*each {
			t.Errorf("node %d has another order, or not all: %d events", i, len(got))
		}
	}
}

// testResumeAnywhere reads a few events on one node, then a few after them on the next, and so on,
// while others are published.
func testResumeAnywhere(t *testing.T, c *nodes) {
	const all = 400
	at := publish(t, c.brokers[0], "acme", "resume", "first")
	var publishing sync.WaitGroup
	defer publishing.Wait()
	publishing.Go(func() {
		for n := range all {
			if _, err := c.brokers[n%3].Publish(within(t), "acme", broker.Publication{Subject: "resume", Data: fmt.Sprint(n)}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	later := at
	later.Seq += 1 << 20
	if start := subscribe(t, c.brokers[1], "acme", broker.From{After: later.String()}, "resume").Start(); !start.Reset {
		t.Errorf("an id from the future starts at %+v", start)
	}
	id := at.String()
	for n, node := 0, 0; n < all; node++ {
		s := subscribe(t, c.brokers[node%3], "acme", broker.From{After: id}, "resume")
		if start := s.Start(); start.Reset || start.Gap {
			t.Fatalf("on node %d after %s: %+v", node%3, id, start)
		}
		for _, e := range take(t, s, min(7, all-n)) {
			if e.Data != fmt.Sprint(n) {
				t.Fatalf("on node %d after %s: %s comes as number %d", node%3, id, e.Data, n)
			}
			n++
			id = e.ID
		}
		s.Close()
	}
}

// testPluginRace uploads bytes on two nodes while a third deletes what has them.
func testPluginRace(t *testing.T, c *nodes) {
	ctx := within(t)
	for i := range 20 {
		wasm := fmt.Sprint("raced ", i)
		old := upload(t, c.brokers[0], "acme", fmt.Sprint("old-", i), wasm)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := c.brokers[1].DeletePlugin(ctx, "acme", old.Name); err != nil {
				t.Error(err)
			}
		})
		name := fmt.Sprint("new-", i)
		wg.Go(func() { upload(t, c.brokers[2], "acme", name, wasm) })
		wg.Wait()
		if _, err := c.brokers[0].PluginBytes(ctx, old.Digest); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if err := c.brokers[2].DeletePlugin(ctx, "acme", name); err != nil {
			t.Error(err)
		}
	}
}

func testKeysAreShared(t *testing.T, c *nodes) {
	h := newHolders(c.brokers, 60)
	defer h.end()
	h.settle(t, 3)
	if s := c.brokers[0].Stats(); s.Nodes != 3 || s.Held < 5 || s.Held > 40 {
		t.Errorf("one node sees %d nodes, and holds %d keys of 60", s.Nodes, s.Held)
	}
}

func testWorkersEverywhere(t *testing.T, c *nodes) {
	server, client := remote(t), newClient(t)
	putSource(t, c.brokers[0], "feed", quick(server.URL))
	var wg sync.WaitGroup
	for _, b := range c.brokers {
		store := storeOf(t, b)
		wg.Go(func() {
			if err := worker(client, quick(server.URL), store, nil).Run(within(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := stored(t, c.brokers[1]); !slices.Equal(got, wantOutputs()) {
		t.Errorf("%d outputs are stored: %.200q", len(got), got)
	}
}

func testEdge(t *testing.T, c *nodes) {
	address := freeAddress(t)
	edge, _ := start(t, broker.Config{
		Dir: t.TempDir(), Node: "edge", Cluster: &broker.Cluster{Key: c.key, Listen: address, Join: c.addrs, Edge: true},
	})
	tenant(t, edge, "from-edge", broker.Spec{})
	first := publish(t, edge, "acme", "edge", "1")
	old := subscribe(t, edge, "acme", broker.From{After: first.String()}, "edge")
	live := subscribe(t, c.brokers[0], "acme", broker.From{After: first.String()}, "edge")
	publish(t, c.brokers[1], "acme", "edge", "2")
	publish(t, edge, "acme", "edge", "3")
	for name, s := range map[string]*broker.Subscription{"on the edge": old, "on a node": live} {
		if got := datas(take(t, s, 2)); got != "2 3" {
			t.Errorf("%s: %s", name, got)
		}
	}
	await(t, func() bool { return edge.Check(within(t)) == nil }) // once it has heard the others
	h := newHolders(append(slices.Clone(c.brokers), edge), 20)
	defer h.end()
	h.settle(t, 3)
	ctx := within(t)
	for edge.Stats().Nodes != 3 {
		if ctx.Err() != nil {
			t.Fatalf("it sees %d nodes", edge.Stats().Nodes)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if s := edge.Stats(); s.Held != 0 {
		t.Errorf("it holds %d keys", s.Held)
	}
	another, _ := start(t, broker.Config{
		Dir: t.TempDir(), Node: "another", Cluster: &broker.Cluster{Key: c.key, Listen: freeAddress(t), Join: c.addrs, Edge: true},
	})
	for !another.Routes(t)["edge"] {
		if ctx.Err() != nil {
			t.Fatal("one edge does not hear of the other")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestClusterLosesANode stops the node that leads the tenant's history while others publish, follow
// and hold keys there, and starts it again.
func TestClusterLosesANode(t *testing.T) {
	c := startCluster(t, 3)
	tenant(t, c.brokers[0], "acme", broker.Spec{})
	first := publish(t, c.brokers[0], "acme", "a", "first")
	lost := c.brokers[0].HistoryLeader(within(t), t, "acme")
	others := slices.Delete(slices.Clone(c.brokers), lost, lost+1)
	h := newHolders(c.brokers, 30)
	defer h.end()
	h.settle(t, 3)

	acked := make([][]string, len(others)) // by publisher, ids with data
	ctx, stop := context.WithCancel(within(t))
	var wg sync.WaitGroup
	for i, b := range others {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				data := fmt.Sprint(i, "-", n)
				p, err := b.Publish(within(t), "acme", broker.Publication{Subject: "a", Data: data})
				if err != nil {
					t.Errorf("%s: %v", data, err)
					return
				}
				acked[i] = append(acked[i], p.String()+" "+data)
			}
		})
	}
	live := subscribe(t, others[0], "acme", broker.From{After: first.String()}, "a")
	moved := subscribe(t, c.brokers[lost], "acme", broker.From{After: first.String()}, "a")
	before := take(t, moved, 50)
	c.stops[lost]()
	moved = subscribe(t, others[1], "acme", broker.From{After: before[49].ID}, "a")
	take(t, moved, 500)
	h.settle(t, 2)
	c.start(lost)
	h.add(c.brokers[lost], lost)
	h.settle(t, 3)
	stop()
	wg.Wait()

	end := publish(t, c.brokers[lost], "acme", "a", "end")
	back := subscribe(t, c.brokers[lost], "acme", broker.From{After: first.String()}, "a")
	all := lines(readTo(t, back, end))
	if got := lines(readTo(t, live, end)); !slices.Equal(got, all) {
		t.Errorf("who followed on a node that stayed has %d events, history %d", len(got), len(all))
	}
	got := map[string]int{}
	for _, line := range all {
		got[line]++
	}
	n := 1 // the end
	for _, lines := range acked {
		n += len(lines)
		for _, line := range lines {
			if got[line] != 1 {
				t.Errorf("%s is there %d times", line, got[line])
			}
		}
	}
	if len(all) != n {
		t.Errorf("history has %d events, of which %d were acknowledged", len(all), n)
	}
	t.Logf("%d events, %s to %s", n, first, end)
}

// lines are events as one can compare them.
func lines(events []*abi.Event) []string {
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = e.ID + " " + e.Data
	}
	return all
}
