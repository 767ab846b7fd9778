package natstest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Setup says which servers there are. A zero field takes its default.
type Setup struct {
	Servers  int    // default 1
	Strict   bool   // of the operator
	Resolver string // default one that deletes
	Settings string // further lines of each server's configuration
	NoStore  bool   // without JetStream
}

// Servers are NATS servers, one or a cluster.
type Servers struct {
	*Operator
	URLs  []string
	Files []string // their configurations
	Dir   string   // all that they store is below it

	t       testing.TB
	running []*server.Server
}

// New writes the configurations of servers, which others may start.
func New(t testing.TB, s Setup) *Servers {
	t.Helper()
	n := max(s.Servers, 1)
	all := &Servers{t: t, Dir: t.TempDir(), running: make([]*server.Server, n)}
	var err error
	if all.Operator, err = NewOperator(t.TempDir(), s.Strict); err != nil {
		t.Fatal(err)
	}
	addresses := freeAddresses(t, 2*n)
	clients, routes := addresses[:n], addresses[n:]
	for i := range n {
		text, err := all.config(s, i, clients[i], routes)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(all.Dir, fmt.Sprintf("nats%d.conf", i+1))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all.URLs = append(all.URLs, "nats://"+clients[i])
		all.Files = append(all.Files, file)
	}
	return all
}

func (all *Servers) config(s Setup, i int, listen string, routes []string) (string, error) {
	name := fmt.Sprintf("nats%d", i+1)
	dir := filepath.Join(all.Dir, name)
	resolver := s.Resolver
	if resolver == "" {
		resolver = fmt.Sprintf("{ type: full, dir: %q, allow_delete: true, hard_delete: true, interval: \"2m\" }", filepath.Join(dir, "accounts"))
	}
	operator, err := all.Operator.Config(resolver)
	if err != nil {
		return "", err
	}
	lines := []string{"server_name: " + name, "listen: " + listen, operator, s.Settings}
	if !strings.Contains(s.Settings, "max_payload") {
		lines = append(lines, "max_payload: 8MB")
	}
	if !s.NoStore {
		lines = append(lines, fmt.Sprintf("jetstream: { store_dir: %q, max_file_store: 1TB }", dir))
	}
	if len(routes) > 1 {
		var others []string
		for _, r := range routes {
			others = append(others, "nats-route://"+r)
		}
		lines = append(lines, fmt.Sprintf("cluster: { name: tests, listen: %q, routes: [%s] }", routes[i], strings.Join(others, ", ")))
	}
	return strings.Join(lines, "\n") + "\n", nil
}

// Start starts the servers in this process. They end with the test.
func Start(t testing.TB, s Setup) *Servers {
	t.Helper()
	all := New(t, s)
	for i := range all.running {
		all.StartServer(i)
	}
	return all
}

// StartServer starts one that does not run.
func (all *Servers) StartServer(i int) {
	all.t.Helper()
	options, err := server.ProcessConfigFile(all.Files[i])
	if err != nil {
		all.t.Fatal(err)
	}
	options.NoSigs, options.NoLog = true, true
	s, err := server.NewServer(options)
	if err != nil {
		all.t.Fatal(err)
	}
	s.Start()
	all.running[i] = s
	all.t.Cleanup(func() { all.StopServer(i) })
	if len(all.running) == 1 && !s.ReadyForConnections(time.Minute) {
		all.t.Fatalf("server %d takes no connections", i+1)
	}
}

// StopServer stops one, if it runs.
func (all *Servers) StopServer(i int) {
	if s := all.running[i]; s != nil {
		s.Shutdown()
		s.WaitForShutdown()
		all.running[i] = nil
	}
}

// freeAddresses are loopback addresses that nobody listens on.
func freeAddresses(t testing.TB, n int) (addresses []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // not before all are found, so that no two are the same
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}
