// Package cluster runs Millrace nodes as processes on loopback, alone or as one cluster, with HAProxy
// in front and links between them that can be made bad. It is docker-compose.yml without Docker.
//
// The package owns the processes: none outlives its test, nor the test binary. Everything it waits for
// has a bound. It uses the balancer's configuration and the nodes' flags as they are deployed, with
// other addresses.
package cluster

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/cluster"
	"github.com/millrace/millrace/tests/program"
)

// Config says what to start. A zero field takes its default.
type Config struct {
	Nodes int      // default 1
	Edges int      // of the nodes, so many, the last ones, keep no data
	Alone bool     // more than one node, which know nothing of each other
	Flags []string // further flags of serve, for each node

	Binary string // of the nodes; default what program.Main has built
	Links  uint64 // if not 0, nodes reach each other over links, which draw from this seed

	DiskBytes int64 // if not 0, each node has a disk of its own of that size; takes root
}

// Cluster is nodes that run. Its methods are for the test's goroutine.
type Cluster struct {
	Nodes []*Node
	Token string // the operator's, if the nodes are a cluster or one; else each Node has its own

	t      testing.TB
	dir    string
	cores  int // nodes that keep data, the first ones
	binary string
	links  *links // nil without
}

// Start starts nodes on new data and waits until all are ready. They end with the test, and if that
// failed what they printed is shown.
func Start(t testing.TB, config Config) *Cluster {
	t.Helper()
	c := &Cluster{t: t, dir: t.TempDir(), binary: cmp.Or(config.Binary, program.Binary()), cores: max(config.Nodes, 1) - config.Edges}
	addresses := freeAddresses(t, 2*max(config.Nodes, 1))
	for i := range max(config.Nodes, 1) {
		c.Nodes = append(c.Nodes, c.newNode(i, addresses[2*i], addresses[2*i+1]))
	}
	if config.DiskBytes > 0 {
		for _, n := range c.Nodes {
			n.makeDisk(config.DiskBytes)
		}
	}
	key := ""
	if len(c.Nodes) > 1 && !config.Alone {
		key = c.makeKey()
		c.makeLinks(config.Links)
	}
	for i, n := range c.Nodes {
		n.flags = slices.Concat(c.setting(i, key).Flags(), []string{"--log-level", "debug"}, config.Flags) // see Leader
		n.start()
	}
	c.AwaitReady()
	c.readTokens(key)
	return c
}

// makeKey makes the cluster's key, and keeps its token.
func (c *Cluster) makeKey() (path string) {
	c.t.Helper()
	key, err := cluster.NewKey()
	if err != nil {
		c.t.Fatal(err)
	}
	path = filepath.Join(c.dir, "cluster.key")
	if err := key.WriteFile(path); err != nil {
		c.t.Fatal(err)
	}
	c.Token = key.AdminToken()
	return path
}

// readTokens gives each node the token that opens it.
func (c *Cluster) readTokens(key string) {
	c.t.Helper()
	for _, n := range c.Nodes {
		n.Token = c.Token
		if key != "" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(n.data, "admin.token"))
		if err != nil {
			c.t.Fatal(err)
		}
		n.Token = strings.TrimSpace(string(b))
	}
	c.Token = c.Nodes[0].Token
}

func (c *Cluster) setting(i int, key string) Setting {
	s := Setting{Node: c.Nodes[i].Name, Listen: c.Nodes[i].address, Data: c.Nodes[i].data}
	if key == "" {
		return s
	}
	s.Key, s.ClusterListen, s.Edge = key, c.Nodes[i].routes, i >= c.cores
	for j, n := range c.Nodes[:c.cores] {
		switch {
		case j == i:
		case c.links != nil:
			s.Join = append(s.Join, c.links.between[i][j].Address())
		default:
			s.Join = append(s.Join, n.routes)
		}
	}
	return s
}

// URLs are the nodes' base URLs.
func (c *Cluster) URLs() []string {
	urls := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		urls[i] = n.URL
	}
	return urls
}

// readyWithin bounds how long nodes may need on a busy machine; only a hang comes near it.
const readyWithin = 2 * time.Minute

// AwaitReady waits until each node says that it is ready.
func (c *Cluster) AwaitReady() {
	c.t.Helper()
	deadline := time.Now().Add(readyWithin)
	for _, n := range c.Nodes {
		n.awaitReady(deadline)
	}
}

// awaitStatus waits until a GET of url has a status. Whatever it meets before does not matter, unless
// gone is closed.
func awaitStatus(t testing.TB, url string, status int, deadline time.Time, gone <-chan struct{}) {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for last := ""; ; {
		resp, err := client.Get(url)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == status {
				return
			}
			last = resp.Status
		} else {
			last = err.Error()
		}
		select {
		case <-poll.C:
		case <-gone:
			t.Fatalf("%s: what serves it has ended", url)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer with %d: %s", url, status, last)
		}
	}
}

// freeAddresses are loopback addresses that nobody listens on. Their ports lie below those that
// systems give to outgoing connections, so that none takes one while a node is down; and where all
// 127.0.0.0/8 is loopback they are on a host of their own, so that no other test takes one either.
func freeAddresses(t testing.TB, n int) (addresses []string) {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.N(250), 1+rand.N(250), 1+rand.N(250))
	}
	for range 100 * n {
		address := fmt.Sprintf("%s:%d", host, 10_000+rand.N(5_000))
		if l, err := net.Listen("tcp", address); err == nil {
			defer l.Close() // not before all are found, so that no two are the same
			if addresses = append(addresses, address); len(addresses) == n {
				return addresses
			}
		}
	}
	t.Fatal("no port is free")
	return nil
}
