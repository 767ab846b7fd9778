package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millrace/millrace/broker/source/sourcetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"millrace": main})
}

// TestScripts runs the program as its users do. The scripts have commands of their own: serve
// starts a server with the flags it is given and points MILLRACE_SERVER at it, stop ends one as
// Ctrl-C does and wants it to end well, tenant makes a tenant as the operator, which may reach the
// hosts after its name, remote starts a stand-in for remotes and points REMOTE at it, eventually runs a
// command, two seconds each time, until it prints what matches, and certificate writes cert.pem and
// key.pem of 127.0.0.1.
func TestScripts(t *testing.T) {
	goCache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Skip("the go command is needed")
	}
	shared := t.TempDir() // what is built of plugins
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("GOCACHE", strings.TrimSpace(string(goCache)))
			e.Setenv("XDG_CACHE_HOME", shared)
			e.Values[runningServer{}] = &running{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serveInScript, "stop": stopInScript, "tenant": tenantInScript,
			"remote": remoteInScript, "eventually": eventuallyInScript, "certificate": certificateInScript,
		},
	})
}

// running is a script's server.
type running struct {
	cmd    *exec.Cmd
	lines  chan string // of standard output, closed at its end
	errors *output
}

type runningServer struct{} // its key in the script's values

func serveInScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("to see a server refused, use ! exec")
	}
	r := ts.Value(runningServer{}).(*running)
	r.lines, r.errors = make(chan string, 100), newOutput()
	r.cmd = exec.Command("millrace", append([]string{"serve", "--listen", "127.0.0.1:0", "--drain", "1s"}, args...)...)
	r.cmd.Dir = ts.MkAbs(".")
	r.cmd.Stderr = r.errors
	out, err := r.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(r.cmd.Start())
	go func() {
		defer close(r.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			r.lines <- s.Text()
		}
	}()
	cmd := r.cmd
	ts.Defer(func() {
		_ = cmd.Process.Kill() // it has ended if the script did well
		_ = cmd.Wait()
	})
	var said strings.Builder
	for timeout := time.After(time.Minute); ; {
		select {
		case line, ok := <-r.lines:
			if !ok {
				ts.Fatalf("the server ended:\n%s%s", said.String(), r.errors.String())
			}
			said.WriteString(line + "\n")
			if url, ok := strings.CutPrefix(line, "Millrace serves "); ok {
				ts.Setenv("MILLRACE_SERVER", url)
				ts.Check(os.WriteFile(ts.MkAbs("said"), []byte(said.String()), 0o600))
				return
			}
		case <-timeout:
			ts.Fatalf("the server does not come up:\n%s%s", said.String(), r.errors.String())
		}
	}
}

func stopInScript(ts *testscript.TestScript, _ bool, _ []string) {
	r := ts.Value(runningServer{}).(*running)
	ts.Check(r.cmd.Process.Signal(os.Interrupt))
	for range r.lines { // until it has ended
	}
	if err := r.cmd.Wait(); err != nil {
		ts.Fatalf("the server did not end well: %v\n%s", err, r.errors.String())
	}
}

func tenantInScript(ts *testscript.TestScript, _ bool, args []string) {
	token, err := readAdminToken(filepath.Join(ts.MkAbs(defaultData), adminTokenFile))
	ts.Check(err)
	spec, err := json.Marshal(map[string]any{"outbound": args[1:]})
	ts.Check(err)
	req, err := http.NewRequest(http.MethodPut, ts.Getenv("MILLRACE_SERVER")+"/v1/tenants/"+args[0], bytes.NewReader(spec))
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if certs, err := trusting(ts.MkAbs("cert.pem")); err == nil {
		transport.TLSClientConfig = certs
	}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	ts.Check(err)
	ts.Check(resp.Body.Close())
	if resp.StatusCode != http.StatusCreated {
		ts.Fatalf("make tenant %s: %s", args[0], resp.Status)
	}
}

func certificateInScript(ts *testscript.TestScript, _ bool, _ []string) {
	server := httptest.NewTLSServer(nil) // which has one
	defer server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	ts.Check(err)
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: key},
	} {
		ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(block), 0o600))
	}
}

func remoteInScript(ts *testscript.TestScript, _ bool, _ []string) {
	remote := sourcetest.NewServer(sourcetest.New(nil))
	ts.Defer(remote.Close)
	ts.Setenv("REMOTE", remote.URL)
}

func eventuallyInScript(ts *testscript.TestScript, _ bool, args []string) {
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	var out []byte
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if out = runInScript(ts, args[1], args[2:]); want.Match(out) {
			return
		}
	}
	ts.Fatalf("%s does not print %s but\n%s", strings.Join(args[1:], " "), want, out)
}

// runInScript runs a command for two seconds at most, then interrupts it, and returns what it printed.
func runInScript(ts *testscript.TestScript, name string, args []string) []byte {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "MILLRACE_SERVER="+ts.Getenv("MILLRACE_SERVER"), "MILLRACE_TENANT="+ts.Getenv("MILLRACE_TENANT"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, _ := cmd.CombinedOutput() // a failure shows in what it prints
	return out
}
