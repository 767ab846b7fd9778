package cluster

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/program"
)

// Balancer is HAProxy in front of nodes, with the configuration that is deployed.
type Balancer struct {
	URL     string // of what the nodes serve
	Metrics string // URL of its own metrics
}

// haproxyFile is the configuration, as seen from a folder below tests.
const haproxyFile = "../../deploy/haproxy.cfg"

// Balance starts a balancer in front of the nodes, and waits until it passes requests on.
func (c *Cluster) Balance() *Balancer {
	c.t.Helper()
	path, err := exec.LookPath("haproxy")
	if err != nil {
		c.t.Skip("install Debian's package haproxy")
	}
	addresses := freeAddresses(c.t, 2+3)
	env := []string{"BALANCER_BIND=" + addresses[0], "BALANCER_METRICS=" + addresses[1]}
	for i := range 3 { // as many as the configuration has; behind an address that is free is no node
		address := addresses[2+i]
		if i < len(c.Nodes) {
			address = c.Nodes[i].address
		}
		env = append(env, fmt.Sprintf("NODE_%d=%s", i+1, address))
	}
	out := &output{}
	c.t.Cleanup(func() { out.show(c.t, "the balancer") })
	p, err := program.StartProcess(out, env, path, "-db", "-f", haproxyFile)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(p.Kill)
	b := &Balancer{URL: "http://" + addresses[0], Metrics: "http://" + addresses[1] + "/metrics"}
	awaitStatus(c.t, b.URL+"/readyz", 200, time.Now().Add(readyWithin), p.Ended)
	for i := len(c.Nodes); i < 3; i++ {
		b.awaitDown(c.t, fmt.Sprintf("n%d", i+1))
	}
	return b
}

// awaitDown waits until the balancer has noticed that there is no such node. It begins with all of
// them taken for being there.
func (b *Balancer) awaitDown(t testing.TB, node string) {
	t.Helper()
	want := fmt.Sprintf("haproxy_server_status{proxy=%q,server=%q,state=%q} 1", "nodes", node, "DOWN")
	client := http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	for deadline := time.Now().Add(readyWithin); ; time.Sleep(10 * time.Millisecond) {
		resp, err := client.Get(b.Metrics)
		if err == nil {
			page, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if strings.Contains(string(page), want) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the balancer does not notice that %s is not there", node)
		}
	}
}

// Ready is how many nodes the balancer takes for ready.
func (b *Balancer) Ready(t testing.TB) (n int) {
	t.Helper()
	resp, err := http.Get(b.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "haproxy_server_status{") && strings.Contains(line, `state="UP"`) && strings.HasSuffix(line, " 1\n") {
			n++
		}
	}
	return n
}
