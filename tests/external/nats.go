// Package external tests Millrace nodes that keep everything in a NATS of others: real processes of
// both, the NATS server built from the same library that is embedded otherwise.
//
// It owns the processes: none outlives its test.
package external

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/cluster"
	"github.com/millrace/millrace/broker/natstest"
	"github.com/millrace/millrace/tests/program"
)

// server is the program that NATS servers run, built as others build theirs.
const server = "github.com/nats-io/nats-server/v2"

// NATS is one server as a process.
type NATS struct {
	*natstest.Servers

	t       testing.TB
	binary  string
	log     *os.File
	process *program.Process
}

// StartNATS builds a server and starts it on new data.
func StartNATS(t testing.TB) *NATS {
	t.Helper()
	n := &NATS{Servers: natstest.New(t, natstest.Setup{}), t: t, binary: filepath.Join(t.TempDir(), "nats-server")}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", n.binary, server).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", server, err, out)
	}
	var err error
	if n.log, err = os.Create(filepath.Join(n.Dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.log.Close()
		if b, err := os.ReadFile(n.log.Name()); err == nil && t.Failed() {
			fmt.Fprintf(t.Output(), "--- what NATS printed\n%s---\n", b)
		}
	})
	n.Start()
	return n
}

// Start starts the server, which does not run, and waits until it takes connections.
func (n *NATS) Start() {
	n.t.Helper()
	p, err := program.StartProcess(n.log, nil, n.binary, "-c", n.Files[0])
	if err != nil {
		n.t.Fatal(err)
	}
	n.process = p
	n.t.Cleanup(p.Kill)
	address := strings.TrimPrefix(n.URLs[0], "nats://")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("NATS takes no connections: %v", err)
		}
	}
}

// Kill is SIGKILL.
func (n *NATS) Kill() { n.process.Kill() }

// Flags are those of serve for a node that uses the server, all but its name.
func (n *NATS) Flags() []string {
	n.t.Helper()
	key, err := cluster.NewKey()
	if err != nil {
		n.t.Fatal(err)
	}
	path := filepath.Join(n.t.TempDir(), "cluster.key")
	if err := key.WriteFile(path); err != nil {
		n.t.Fatal(err)
	}
	return []string{"--cluster-key", path, "--nats", strings.Join(n.URLs, ","), "--nats-operator", n.SigningKey, "--nats-system", n.Credentials}
}
