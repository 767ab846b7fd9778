package web_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/cluster"
	"github.com/millrace/millrace/web"
)

type nodeDoc struct {
	Node, Role, Version, Reason      string
	Answers, Ready, Draining, Leader bool
	Viewers, Leases                  int
	Seen                             time.Time
}

func TestANodeIsDrainedAndComesBack(t *testing.T) {
	n := startNode(t, web.Config{Drain: 100 * time.Millisecond, Version: "v9"})
	n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}}, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
	held, release, err := n.broker.Hold(t.Context(), "work")
	check(t, err)
	defer release()
	var viewers []*viewer
	for range 10 {
		viewers = append(viewers, n.open("/t/acme/a"))
	}
	n.eventually("its viewers to be counted", func() bool {
		var s nodeDoc
		n.must("GET", "/v1/nodes/n1", nil, &s)
		return s.Viewers == 10 && s.Leases == 1 && s.Ready && !s.Draining && s.Version == "v9" && s.Answers && s.Leader && s.Role == "core"
	})
	var s nodeDoc
	for range 2 { // twice is once
		if n.must("POST", "/v1/nodes/n1/drain", nil, &s); !s.Draining || s.Ready || s.Reason == "" {
			t.Errorf("it drains and tells %+v", s)
		}
	}
	for _, v := range viewers {
		v.ended()
		if retry, told := v.reader.Retry(); !told || retry < time.Second {
			t.Errorf("a viewer is told to come back after %s, %v", retry, told)
		}
	}
	<-held.Done()
	if got := n.status("GET", "/readyz", "", nil); got != 503 {
		t.Errorf("readyz is a %d", got)
	}
	if got := n.status("GET", "/t/acme/a", "", nil); got != 503 {
		t.Errorf("a new viewer gets a %d", got)
	}
	n.open("/t/acme/a", "Accept", "text/event-stream").ended()
	n.publish("acme", "a", "while it drains")
	release()
	n.eventually("it to be empty", func() bool {
		var all struct{ Nodes []nodeDoc }
		n.must("GET", "/v1/nodes", nil, &all)
		return len(all.Nodes) == 1 && all.Nodes[0].Viewers+all.Nodes[0].Leases == 0 && all.Nodes[0].Draining
	})

	if n.must("DELETE", "/v1/nodes/n1/drain", nil, &s); s.Draining || !s.Ready {
		t.Errorf("it drains no more and tells %+v", s)
	}
	v := n.open("/t/acme/a")
	n.publish("acme", "a", "again")
	v.want("again")
	_, freed, err := n.broker.Hold(t.Context(), "work")
	check(t, err)
	freed()
}

func TestNodesAreForTheOperator(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	_, tenant := n.token("acme", nil, "admin")
	for _, tt := range []struct {
		method, path, token string
		want                int
	}{
		{"GET", "/v1/nodes", "", 401},
		{"GET", "/v1/nodes", tenant, 401},
		{"POST", "/v1/nodes/n1/drain", tenant, 401},
		{"DELETE", "/v1/nodes/n1", tenant, 401},
		{"GET", "/v1/nodes/n1", adminToken, 200},
		{"GET", "/v1/nodes/n2", adminToken, 404},
		{"POST", "/v1/nodes/n2/drain", adminToken, 404},
		{"DELETE", "/v1/nodes/n2/drain", adminToken, 404},
		{"DELETE", "/v1/nodes/n2", adminToken, 404},
		{"DELETE", "/v1/nodes/n1", adminToken, 409}, // it lives
		{"POST", "/v1/nodes/No%2Fname/drain", adminToken, 404},
	} {
		if got := n.status(tt.method, tt.path, tt.token, nil); got != tt.want {
			t.Errorf("%s %s with %.3q…: %d, want %d", tt.method, tt.path, tt.token, got, tt.want)
		}
	}
}

// TestADrainIsSeen: a node without viewers that is stopped still says for a while that it drains.
func TestADrainIsSeen(t *testing.T) {
	n := startNode(t, web.Config{Notice: time.Second})
	begin := time.Now()
	go n.stop()
	n.eventually("readiness to go off", func() bool { return n.status("GET", "/readyz", "", nil) == 503 })
	n.stop()
	if lasted := time.Since(begin); lasted < time.Second {
		t.Errorf("it is gone after %s", lasted)
	}
}

// TestThreeNodes drains one of three through another, and has two of them go and come back: the third
// sends its viewers elsewhere meanwhile.
func TestThreeNodes(t *testing.T) {
	key, err := cluster.NewKey()
	check(t, err)
	var addresses []string
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
		check(t, l.Close())
	}
	dir := t.TempDir()
	config := func(i int) broker.Config {
		return broker.Config{
			Dir: filepath.Join(dir, string(rune('0'+i))), Node: "n" + string(rune('1'+i)),
			Cluster: &broker.Cluster{Key: key, Listen: addresses[i], Join: addresses},
		}
	}
	stops := make([]func(), 3)
	others := func() {
		for i := 1; i < 3; i++ {
			stops[i] = startBroker(t, config(i))
		}
	}
	others()
	n := startNodeOf(t, config(0), sharedHost(t), web.Config{Apart: 100 * time.Millisecond})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
	n.publish("acme", "a", "first")
	v := n.open("/t/acme/a?last_event_id=earliest")
	first := v.next()

	stops[1]()
	second := startNodeOf(t, config(1), sharedHost(t), web.Config{Node: "n2"})
	stops[1] = second.stop
	drainThrough(t, n, second)

	stops[1]()
	n.eventually("the first to be missed", func() bool { return n.broker.Stats().Nodes == 2 })
	other := n.open("/t/acme/a") // two of three are most of them
	stops[2]()
	v.ended()
	other.ended()
	if _, told := v.reader.Retry(); !told {
		t.Error("a viewer is not told to come back")
	}
	if resp, body := n.do("GET", "/readyz", "", nil); resp.StatusCode != 503 || !strings.Contains(string(body), "without most") {
		t.Errorf("readyz is %s: %s", resp.Status, body)
	}
	n.open("/t/acme/a", "Accept", "text/event-stream").ended()

	others()
	n.eventually("readiness", func() bool { return n.status("GET", "/readyz", "", nil) == 200 })
	v = n.open("/t/acme/a?last_event_id=" + first.ID)
	n.publish("acme", "a", "second")
	v.want("second")
}

// drainThrough drains second, which is n2 of three nodes, through n. There is no web server on n3.
func drainThrough(t *testing.T, n, second *node) {
	t.Helper()
	v := second.open("/t/acme/a")
	var all struct{ Nodes []nodeDoc }
	n.eventually("n2's answer", func() bool {
		n.must("GET", "/v1/nodes", nil, &all)
		return len(all.Nodes) == 3 && all.Nodes[1].Answers && all.Nodes[1].Viewers == 1 && all.Nodes[1].Ready
	})
	if third := all.Nodes[2]; third.Node != "n3" || third.Role != "core" || third.Answers || third.Ready || third.Seen.IsZero() {
		t.Errorf("of a node that does not answer it tells %+v", third)
	}
	var s nodeDoc
	if n.must("POST", "/v1/nodes/n2/drain", nil, &s); s.Node != "n2" || !s.Draining || s.Ready {
		t.Errorf("n2 drains and tells %+v", s)
	}
	v.ended()
	if got := second.status("GET", "/readyz", "", nil); got != 503 {
		t.Errorf("its readyz is a %d", got)
	}
	if got := n.status("GET", "/readyz", "", nil); got != 200 {
		t.Errorf("the other's readyz is a %d", got)
	}
	if n.must("DELETE", "/v1/nodes/n2/drain", nil, &s); s.Draining || !s.Ready {
		t.Errorf("n2 drains no more and tells %+v", s)
	}
	for _, method := range []string{"POST", "DELETE"} {
		if got := n.status(method, "/v1/nodes/n3/drain", adminToken, nil); got != 503 {
			t.Errorf("%s of the drain of one that does not answer is a %d", method, got)
		}
	}
	if got := n.status("DELETE", "/v1/nodes/n3", adminToken, nil); got != 409 {
		t.Errorf("to forget one that lives is a %d", got)
	}
}

// startBroker runs a node without a web server.
func startBroker(t *testing.T, c broker.Config) (stop func()) {
	t.Helper()
	c.Logger = warnings(t)
	b, err := broker.New(c)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("broker %s: %v", c.Node, err)
		}
	})
	t.Cleanup(stop)
	return stop
}
