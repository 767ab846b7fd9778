package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/program"
)

// Node is one millrace server: an address and a data folder, and the process that serves them now. Its
// methods are for the test's goroutine.
type Node struct {
	Name  string
	URL   string // its own
	Token string // the operator's

	t       testing.TB
	address string
	routes  string
	data    string
	binary  string
	flags   []string
	out     *output
	process *program.Process
	clock   *clock // nil while the process has the machine's
}

func (c *Cluster) newNode(i int, address, routes string) *Node {
	n := &Node{
		Name: fmt.Sprintf("n%d", i+1), URL: "http://" + address, t: c.t,
		address: address, routes: routes, data: filepath.Join(c.dir, fmt.Sprintf("n%d", i+1)), out: &output{},
		binary: c.binary,
	}
	c.t.Cleanup(func() { n.out.show(c.t, "node "+n.Name) })
	return n
}

func (n *Node) start() {
	n.t.Helper()
	p, err := program.StartProcess(n.out, nil, n.binary, append([]string{"serve"}, n.flags...)...)
	if err != nil {
		n.t.Fatal(err)
	}
	n.process, n.clock = p, nil
	n.t.Cleanup(p.Kill)
}

func (n *Node) awaitReady(deadline time.Time) {
	n.t.Helper()
	awaitStatus(n.t, n.URL+"/readyz", 200, deadline, n.process.Ended)
}

// Kill ends the node with SIGKILL, whatever state it is in, and returns once it is gone.
func (n *Node) Kill() {
	n.t.Helper()
	if n.HasEnded() {
		n.t.Fatalf("node %s has ended by itself: %s", n.Name, n.process.Cmd.ProcessState)
	}
	n.process.Kill()
}

// Pause stops the node's process without its knowledge, Resume lets it go on.
func (n *Node) Pause() { n.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (n *Node) Resume() { n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.process.Cmd.Process.Signal(s); err != nil {
		n.t.Fatalf("node %s: %v", n.Name, err)
	}
}

// endWithin bounds how long a node may need to drain.
const endWithin = 2 * time.Minute

// Terminate sends SIGTERM, at which the node drains and ends.
func (n *Node) Terminate() { n.signal(syscall.SIGTERM) }

// HasEnded tells whether the node's process has ended.
func (n *Node) HasEnded() bool {
	select {
	case <-n.process.Ended:
		return true
	default:
		return false
	}
}

// Wait waits until the node has ended by itself, and returns its exit status.
func (n *Node) Wait() int {
	n.t.Helper()
	select {
	case <-n.process.Ended:
	case <-time.After(endWithin):
		n.t.Fatalf("node %s does not end", n.Name)
	}
	return n.process.Cmd.ProcessState.ExitCode()
}

// Stop is Terminate and Wait.
func (n *Node) Stop() int {
	n.t.Helper()
	n.Terminate()
	return n.Wait()
}

// Restart starts the node again, which has ended, on the same data and addresses. It does not wait
// until it is ready, which may need others: see Cluster.AwaitReady.
func (n *Node) Restart() {
	n.t.Helper()
	n.start()
}

// Upgrade is Restart with another binary, which later Restarts keep.
func (n *Node) Upgrade(binary string) {
	n.t.Helper()
	n.binary = binary
	n.start()
}

// Wipe removes the data of the node, which has ended.
func (n *Node) Wipe() {
	n.t.Helper()
	entries, err := os.ReadDir(n.data)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, e := range entries { // the folder may be a disk
		if err := os.RemoveAll(filepath.Join(n.data, e.Name())); err != nil {
			n.t.Fatal(err)
		}
	}
}

// AwaitUnready waits until the node says that it is not ready.
func (n *Node) AwaitUnready() {
	n.t.Helper()
	awaitStatus(n.t, n.URL+"/readyz", 503, time.Now().Add(readyWithin), n.process.Ended)
}

// Stores tells whether the node has streams on its disk.
func (n *Node) Stores() bool {
	n.t.Helper()
	streams, err := filepath.Glob(filepath.Join(n.data, "broker", "jetstream", "*", "streams", "*"))
	if err != nil {
		n.t.Fatal(err)
	}
	return len(streams) > 0
}
