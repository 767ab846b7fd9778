package program

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Bounds of what a server may need on a busy machine; only a hang comes near them.
const (
	readyWithin = 2 * time.Minute
	endWithin   = 2 * time.Minute
)

// Server is a millrace server: a data folder and an address, and the process that serves them now.
// Kill, Stop, Terminate, Wait and Restart are for the test's goroutine; all else is safe for
// concurrent use, whether the server runs or not.
type Server struct {
	Client // at the server's own address, which a restart keeps

	address string
	data    string
	flags   []string
	out     *output
	process *Process
}

// Start starts a server on new data with further flags of serve, and waits until it is ready. When
// the test ends the process is killed and, if the test failed, what it printed is shown.
func Start(t testing.TB, flags ...string) *Server {
	t.Helper()
	address := freeAddress(t)
	s := &Server{
		Client:  *NewClient(t, "http://"+address, ""),
		address: address, data: filepath.Join(t.TempDir(), "data"), flags: flags, out: &output{},
	}
	t.Cleanup(func() {
		text, faults := s.out.all()
		for _, line := range faults {
			t.Errorf("the server printed: %s", line)
		}
		if t.Failed() {
			fmt.Fprintf(t.Output(), "--- what the server at %s printed\n%s---\n", s.URL, text)
		}
	})
	s.run()
	token, err := os.ReadFile(filepath.Join(s.data, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	s.Token = strings.TrimSpace(string(token))
	return s
}

// Through is a client whose connections are cut.
func (s *Server) Through(c *Cutter) *Client {
	cut := s.Client
	cut.URL = c.URL()
	return &cut
}

// Kill ends the process with SIGKILL and returns once it is gone.
func (s *Server) Kill() {
	s.t.Helper()
	select {
	case <-s.process.Ended:
		s.t.Fatalf("the server has ended by itself: %s", s.process.Cmd.ProcessState)
	default:
	}
	s.process.Kill()
}

// Terminate sends SIGTERM and returns at once.
func (s *Server) Terminate() {
	s.t.Helper()
	if err := s.process.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
}

// Wait waits until the process has ended by itself, and returns its exit status.
func (s *Server) Wait() int {
	s.t.Helper()
	select {
	case <-s.process.Ended:
	case <-time.After(endWithin):
		s.t.Fatal("the server does not end")
	}
	return s.process.Cmd.ProcessState.ExitCode()
}

// Stop ends the process with SIGTERM and returns its exit status.
func (s *Server) Stop() int {
	s.t.Helper()
	s.Terminate()
	return s.Wait()
}

// Restart starts the server again, which has ended, on the same data and address, and waits until it
// is ready.
func (s *Server) Restart() {
	s.t.Helper()
	s.run()
}

func (s *Server) run() {
	s.t.Helper()
	args := append([]string{"serve", "--listen", s.address, "--data", s.data}, s.flags...)
	p, err := StartProcess(s.out, nil, Binary(), args...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.process = p
	s.t.Cleanup(p.Kill)
	s.awaitReady()
}

func (s *Server) awaitReady() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), readyWithin)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		if a, err := s.Call(ctx, http.MethodGet, "/readyz", nil); err == nil && a.Status == http.StatusOK {
			return
		}
		select {
		case <-poll.C:
		case <-s.process.Ended:
			s.t.Fatalf("the server ended before it was ready: %s", s.process.Cmd.ProcessState)
		case <-ctx.Done():
			s.t.Fatal("the server does not become ready")
		}
	}
}

// freeAddress is a loopback address that nobody listens on. Its port lies below those that systems
// give to outgoing connections, so that none takes it while the server is down.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 15_000+rand.N(15_000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}
