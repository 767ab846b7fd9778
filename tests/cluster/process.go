package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is one run of a program.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed once it has ended and was waited for
}

// startProcess runs a program with what it prints going to out, and further environment variables.
func startProcess(out *output, env []string, path string, args ...string) (*process, error) {
	cmd := exec.Command(path, args...)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "MILLRACE_") { // what would configure it
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = endWithParent()
	p := &process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Linux ends the child when the thread that started it ends, so that thread is kept.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the state tells
		}
	}()
	return p, <-started
}

// kill ends the process at once, if it has not ended, and waits for that.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error says that it has ended
	<-p.ended
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// maxOutput bounds what is kept of what a program prints, in bytes.
const maxOutput = 4 << 20

// output keeps the end of what a program prints, over all its runs.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	if len(o.text) > maxOutput {
		o.text = append(o.text[:0], o.text[len(o.text)-maxOutput/2:]...)
	}
	return len(b), nil
}

// show fails the test if the program has met a fault of its own, and shows all if the test failed.
func (o *output) show(t testing.TB, name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range strings.Lines(string(o.text)) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "WARNING: DATA RACE") {
			t.Errorf("%s printed: %s", name, line)
		}
	}
	if t.Failed() {
		fmt.Fprintf(t.Output(), "--- what %s printed\n%s---\n", name, o.text)
	}
}
