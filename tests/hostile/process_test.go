//go:build linux

package hostile

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// footprint is what a process holds.
type footprint struct {
	memory  int64 // bytes of its own: without those of the files that it has mapped
	plugins int   // mappings of plugins' code and of what their instances begin with
	others  int   // mappings, without those for each of the threads, which the runtime keeps
}

// heapMappings is by how many mappings a heap of the Go runtime comes to lie in more pieces. One
// that stayed for each attack would be hundreds.
const heapMappings = 16

func (f footprint) String() string {
	return fmt.Sprintf("%.1f MiB, %d and %d mappings", float64(f.memory)/(1<<20), f.plugins, f.others)
}

// within returns an error if f is more than before by more than the tolerance and so many bytes. Of
// plugins one mapping may stay: the code of the last waits for the collector.
func (f footprint) within(before footprint, bytes int64) error {
	switch {
	case float64(f.memory) > float64(before.memory)*(1+tolerance)+float64(bytes):
		return fmt.Errorf("the memory does not come back: %v, before %v", f, before)
	case f.plugins > before.plugins+1 || float64(f.others) > float64(before.others)*(1+tolerance)+heapMappings:
		return fmt.Errorf("the mappings do not come back: %v, before %v", f, before)
	}
	return nil
}

// footprintOf reads what a process holds now.
func footprintOf(pid int) (f footprint, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return f, err
	}
	threads := 0
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB")) // of these lines all are numbers
		switch name {
		case "RssAnon", "RssShmem":
			f.memory += int64(n) << 10
		case "Threads":
			threads = n
		}
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return f, err
	}
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line) // addresses, rights, offset, device, inode, and a name or none
		if strings.Contains(line, "memfd:") || len(fields) == 5 && strings.Contains(fields[1], "x") {
			f.plugins++
		} else {
			f.others++
		}
	}
	f.others -= perThread * threads
	return f, nil
}

// perThread is the mappings of a thread: its stack and the guard behind it, and, where C's library
// gave it memory, a heap of its own with what is reserved for that.
const perThread = 4

// serverAt finds the process that this one started and that serves on the address.
func serverAt(address string) (pid int, err error) {
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, path := range processes {
		cmdline, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(cmdline, []byte("\x00"+address+"\x00")) {
			continue // ended, or another's
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && parentOf(pid) == os.Getpid() {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no process serves %s", address)
}

func parentOf(pid int) int {
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "PPid:"); ok {
			parent, _ := strconv.Atoi(strings.TrimSpace(text)) // 0 is nobody's
			return parent
		}
	}
	return 0
}

// eventually repeats try until it returns nil or a time passes that only a hang needs, and returns
// its last error.
func eventually(within time.Duration, try func() error) error {
	for deadline := time.Now().Add(within); ; {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
