package host

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// processBytes is the private memory that the process holds: Go's heap, and what instances wrote. 0
// is unknown.
func processBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident, shared int64
	if _, err := fmt.Sscan(string(text), &size, &resident, &shared); err != nil {
		return 0
	}
	return (resident - shared) * int64(os.Getpagesize())
}

// machineBytes is the memory of the machine, or of the container; 0 is unknown.
func machineBytes() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	bytes := int64(uint64(info.Totalram) * uint64(info.Unit))
	text, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return bytes
	}
	most, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil { // "max" is no limit
		return bytes
	}
	return min(bytes, most)
}

// pageMap tells which pages of the process's memory are its own.
type pageMap struct {
	file *os.File
	buf  [64 << 10]byte
}

func openPageMap() (*pageMap, error) {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil, err
	}
	return &pageMap{file: f}, nil
}

func (p *pageMap) close() { p.file.Close() }

// What the system says of a page, in 64 bits.
const (
	pagePresent = 1 << 63
	pageSwapped = 1 << 62
	pageShared  = 1 << 61 // of a file, or of several processes
)

// held is how many bytes the instance holds for itself. Any goroutine may ask; for a region that was
// unmapped meanwhile the answer means nothing.
func (r *region) held(p *pageMap) int64 {
	page := int64(os.Getpagesize())
	first, pages := int64(r.start)/page, r.open.Load()/uint64(page)
	own := int64(0)
	for at := uint64(0); at < pages; {
		n := min(pages-at, uint64(len(p.buf)/8))
		read, err := p.file.ReadAt(p.buf[:8*n], 8*(first+int64(at)))
		if err != nil || read == 0 {
			return int64(pages) * page // take it for all
		}
		for b := p.buf[:read]; len(b) >= 8; b = b[8:] {
			if e := binary.LittleEndian.Uint64(b); e&(pagePresent|pageSwapped) != 0 && e&pageShared == 0 {
				own += page
			}
		}
		at += uint64(read) / 8
	}
	return own
}
