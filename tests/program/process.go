package program

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// process is one run of the binary.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed once it has ended and was waited for
}

func startProcess(out *output, args ...string) (*process, error) {
	cmd := exec.Command(os.Getenv(binaryEnv), args...)
	cmd.Env = environment()
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
