package broker_test

import (
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/cluster"
)

// nodes is a cluster within this process.
type nodes struct {
	t       testing.TB
	key     *cluster.Key
	dir     string
	addrs   []string
	brokers []*broker.Broker
	stops   []func()
}

// startCluster starts n nodes and waits until all are ready.
func startCluster(t testing.TB, n int) *nodes {
	t.Helper()
	key, err := cluster.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	c := &nodes{t: t, key: key, dir: t.TempDir(), brokers: make([]*broker.Broker, n), stops: make([]func(), n)}
	for range n {
		c.addrs = append(c.addrs, freeAddress(t))
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { c.start(i) })
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return c
}

func freeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (c *nodes) config(i int) broker.Config {
	return broker.Config{
		Dir: filepath.Join(c.dir, fmt.Sprint(i)), Node: fmt.Sprint("n", i+1),
		Cluster: &broker.Cluster{Key: c.key, Listen: c.addrs[i], Join: c.addrs},
	}
}

// start starts a node, also one that was stopped, with the data that it had.
func (c *nodes) start(i int) {
	c.t.Helper()
	c.brokers[i], c.stops[i] = start(c.t, c.config(i))
}
