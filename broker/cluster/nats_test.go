package cluster_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/millrace/millrace/broker/cluster"
)

// TestNATSServersJoinByTheKey: servers with one key find each other over mutual TLS, one with another
// key stays outside.
func TestNATSServersJoinByTheKey(t *testing.T) {
	k, other := newKey(t), newKey(t)
	first := startNATS(t, k, "n1")
	second := startNATS(t, k, "n2", first)
	third := startNATS(t, k, "n3", first)
	foreign := startNATS(t, other, "n4", first)
	for _, s := range []*server.Server{first, second, third} {
		await(t, func() bool { return s.NumRemotes() == 2 })
	}
	// A foreigner tries again and again; that it is still outside once another three have met, and
	// one of them after it, is all that can be waited for.
	fourth := startNATS(t, k, "n5", first)
	await(t, func() bool { return fourth.NumRemotes() == 3 && first.NumRemotes() == 3 })
	if n := foreign.NumRoutes(); n != 0 {
		t.Errorf("the server with another key has %d routes", n)
	}
}

func startNATS(t *testing.T, k *cluster.Key, node string, join ...*server.Server) *server.Server {
	t.Helper()
	config, err := k.NodeTLS(node)
	if err != nil {
		t.Fatal(err)
	}
	o := &server.Options{
		ServerName: node, Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		Cluster: server.ClusterOpts{
			Name: k.Name(), Host: "127.0.0.1", Port: server.RANDOM_PORT,
			Username: "node", Password: k.ClusterSecret(), TLSConfig: config, TLSTimeout: 10,
		},
	}
	for _, s := range join {
		route := &url.URL{Scheme: "nats", Host: s.ClusterAddr().String(), User: url.UserPassword("node", k.ClusterSecret())}
		o.Routes = append(o.Routes, route)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	await(t, func() bool { return s.ClusterAddr() != nil })
	return s
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !done() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatal("waited in vain for a minute")
		}
	}
}
