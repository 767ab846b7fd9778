package program

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Binary is the program that Main has built.
func Binary() string { return os.Getenv(binaryEnv) }

// Process is one run of a program. It ends with the test binary at the latest, where the system can
// see to that.
type Process struct {
	Cmd   *exec.Cmd
	Ended chan struct{} // closed once it has ended and was waited for
}

// StartProcess runs a program with what it prints going to out, and further environment variables.
func StartProcess(out io.Writer, env []string, path string, args ...string) (*Process, error) {
	cmd := exec.Command(path, args...)
	cmd.Env = append(environment(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = endWithParent()
	p := &Process{Cmd: cmd, Ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Linux ends the child when the thread that started it ends, so that thread is kept.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.Ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the state tells
		}
	}()
	return p, <-started
}

// Kill ends the process at once, if it has not ended, and waits for that.
func (p *Process) Kill() {
	_ = p.Cmd.Process.Kill() // an error says that it has ended
	<-p.Ended
}

// environment is this process's without what would configure millrace.
func environment() []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "MILLRACE_") {
			env = append(env, pair)
		}
	}
	return env
}
