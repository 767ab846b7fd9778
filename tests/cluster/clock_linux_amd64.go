package cluster

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ClocksJump tells whether JumpClock works here.
const ClocksJump = true

// JumpClock sets the clock of the node's process, and of no other, as if somebody had set the machine's
// by so much, to the second: what time it is changes, and how much time has passed does not. Jumps add
// up, until the process ends.
//
// No system lets one process have its own time of day, so the test rewrites what the process asks for
// it: the kernel's function in the process's memory, of which each process gets its own copy when it is
// written to.
func (n *Node) JumpClock(by time.Duration) {
	n.t.Helper()
	if n.clock == nil {
		clock, err := n.patchClock()
		if err != nil {
			n.t.Fatalf("node %s: its clock cannot be set: %v", n.Name, err)
		}
		n.clock = clock
	}
	n.clock.ahead += by
	if err := n.clock.set(); err != nil {
		n.t.Fatalf("node %s: set its clock: %v", n.Name, err)
	}
}

// clock is where a process keeps by how much it is ahead.
type clock struct {
	memory string // the file that is the process's memory
	at     int64
	ahead  time.Duration
}

func (c *clock) set() error {
	return writeMemory(c.memory, c.at, binary.LittleEndian.AppendUint64(nil, uint64(c.ahead/time.Second)))
}

// gettime is clock_gettime(clock, time) in machine code, by a system call. To the time of day it adds the
// seconds that follow it.
var gettime = []byte{
	0xb8, 228, 0, 0, 0, // mov eax, clock_gettime
	0x0f, 0x05, // syscall, which keeps rdi and rsi
	0x85, 0xff, // test edi, edi
	0x75, 10, // jnz to the end, if it is another clock than the time of day, 0
	0x48, 0x8b, 0x0d, 4, 0, 0, 0, // mov rcx, the seconds behind the end
	0x48, 0x01, 0x0e, // add [rsi], rcx
	0xc3, // ret
}

// patchClock makes the process ask gettime for the time. It does so while the process is stopped at
// another place than the one that is written to.
func (n *Node) patchClock() (*clock, error) {
	process := fmt.Sprintf("/proc/%d", n.process.Cmd.Process.Pid)
	v, err := readVDSO(process)
	if err != nil {
		return nil, err
	}
	c := &clock{memory: v.memory, at: v.room + int64(len(gettime))}
	if err := errors.Join(writeMemory(v.memory, v.room, gettime), c.set()); err != nil {
		return nil, err
	}
	const jumpBytes = 5
	jump := binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(v.room-(v.gettime+jumpBytes)))
	defer n.Resume()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		n.Pause()
		if outside(process, v.gettime, v.gettime+jumpBytes) {
			return c, writeMemory(v.memory, v.gettime, jump)
		}
		n.Resume()
		time.Sleep(time.Millisecond)
	}
	return nil, errors.New("the process is always asking for the time")
}

// vdso is the kernel's functions in a process.
type vdso struct {
	memory  string
	gettime int64 // address of the function that tells the time
	room    int64 // address of bytes that nobody uses
}

func readVDSO(process string) (vdso, error) {
	v := vdso{memory: process + "/mem"}
	maps, err := os.ReadFile(process + "/maps")
	if err != nil {
		return v, err
	}
	var begin, end int64
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(line, "[vdso]\n") {
			_, err = fmt.Sscanf(line, "%x-%x", &begin, &end)
		}
	}
	if err != nil || begin == 0 {
		return v, fmt.Errorf("no [vdso] in the process's memory: %w", err)
	}
	f, err := os.Open(v.memory)
	if err != nil {
		return v, err
	}
	defer f.Close()
	image := make([]byte, end-begin)
	if _, err := f.ReadAt(image, begin); err != nil {
		return v, err
	}
	used := len(bytes.TrimRight(image, "\x00"))
	room := (used + 64) &^ 15
	if room+len(gettime)+8 > len(image) {
		return v, fmt.Errorf("no room in %d bytes of [vdso]", len(image))
	}
	v.room = begin + int64(room)
	at, err := symbol(image, "__vdso_clock_gettime")
	v.gettime = begin + at
	return v, err
}

func symbol(image []byte, name string) (int64, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return 0, err
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return 0, err
	}
	for _, s := range symbols {
		if s.Name == name {
			return int64(s.Value), nil
		}
	}
	return 0, fmt.Errorf("no %s in [vdso]", name)
}

// outside tells whether all threads of a process are stopped, and none of them between two addresses.
func outside(process string, from, to int64) bool {
	threads, err := filepath.Glob(process + "/task/*")
	for _, thread := range threads {
		at, ok := stoppedAt(thread)
		if !ok || from < at && at < to {
			return false
		}
	}
	return err == nil && len(threads) > 0
}

// stoppedAt is the address of what a thread does next; false if it is not stopped.
func stoppedAt(thread string) (at int64, ok bool) {
	stat, err := os.ReadFile(thread + "/stat")
	_, state, _ := strings.Cut(string(stat), ") ")
	if err != nil || !strings.HasPrefix(state, "T") {
		return 0, false
	}
	line, err := os.ReadFile(thread + "/syscall")
	fields := strings.Fields(string(line))
	if err != nil || len(fields) < 3 {
		return 0, false
	}
	_, err = fmt.Sscanf(fields[len(fields)-1], "0x%x", &at)
	return at, err == nil
}

func writeMemory(path string, at int64, b []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Close())
}
