package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// niceness of a compiler process: streams come first.
const niceness = 10

// limitProcess lets the process take that many bytes of private memory beyond what it has, and that
// much of the processors, in whole seconds rounded up, past which the system kills it. Address space
// would be the wrong measure of memory: Go reserves far more than it uses, the race detector
// terabytes.
func limitProcess(bytes int64, processor time.Duration) error {
	seconds := uint64((processor + time.Second - 1) / time.Second)
	if err := syscall.Setrlimit(syscall.RLIMIT_CPU, &syscall.Rlimit{Cur: seconds, Max: seconds}); err != nil {
		return fmt.Errorf("limit processor time to %d s: %w", seconds, err)
	}
	held, err := privateBytes()
	if err != nil {
		return err
	}
	limit := uint64(held + bytes)
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return fmt.Errorf("limit data to %d bytes: %w", limit, err)
	}
	return yieldToOthers()
}

// privateBytes is what RLIMIT_DATA counts.
func privateBytes() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, resident, shared, code, library, data int64
	if _, err := fmt.Sscan(string(text), &size, &resident, &shared, &code, &library, &data); err != nil {
		return 0, fmt.Errorf("read memory of the process: %w", err)
	}
	return data * int64(os.Getpagesize()), nil
}

// yieldToOthers lowers the priority of all threads; those to come inherit it.
func yieldToOthers() error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, id, niceness); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("lower priority: %w", err)
		}
	}
	return nil
}

// detach keeps signals of the terminal, which are meant for the server, away from a compiler.
func detach(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
