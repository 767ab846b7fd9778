package host

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// canSnapshot tells whether instances can begin with a snapshot on this system.
const canSnapshot = true

// region is the memory of one instance: addresses for all that it may ever take, of which only its
// size can be accessed. What the instance never writes costs no memory. It is no memory of Go's.
//
// wazero takes it for its allocator. The instance's owner maps and unmaps it, not wazero, which may
// let go of it while a callback runs, or not at all.
type region struct {
	bytes []byte        // all of it; nil once unmapped
	start uintptr       // its address
	open  atomic.Uint64 // how far it can be accessed; only the owner changes it
	full  func() bool   // asked before it grows
}

// newRegion reserves addresses for size bytes, in whole pages of 64 KiB. It does not grow while full.
func newRegion(size int64, full func() bool) (*region, error) {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes of addresses: %w", size, err)
	}
	return &region{bytes: unsafe.Slice((*byte)(p), size), start: uintptr(p), full: full}, nil
}

// show makes the image the beginning of the region, which must not be open yet. What the instance
// writes to it is its own.
func (r *region) show(m *image) error {
	if m.size == 0 {
		return nil
	}
	if m.size > uint64(len(r.bytes)) {
		return fmt.Errorf("an image of %d bytes for a memory of %d", m.size, len(r.bytes))
	}
	_, err := unix.MmapPtr(int(m.file.Fd()), 0, unsafe.Pointer(&r.bytes[0]), uintptr(m.size),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("map image: %w", err)
	}
	r.open.Store(m.size)
	return nil
}

// within returns a context in which a module is instantiated with this memory.
func (r *region) within(ctx context.Context) context.Context {
	return experimental.WithMemoryAllocator(ctx, r)
}

// view is the first size bytes, which must be open. It ends with the region.
func (r *region) view(size uint64) []byte { return r.bytes[:size] }

// Allocate implements experimental.MemoryAllocator, for the one memory of the instance.
func (r *region) Allocate(_, _ uint64) experimental.LinearMemory { return r }

// Reallocate implements experimental.LinearMemory. Memory never shrinks. Nil is a refusal.
func (r *region) Reallocate(size uint64) []byte {
	if size > uint64(len(r.bytes)) {
		return nil
	}
	if size > r.open.Load() && (r.full() || r.openTo(size) != nil) {
		return nil
	}
	return r.bytes[:size:size]
}

// openTo makes the first size bytes accessible, of which there are as many.
func (r *region) openTo(size uint64) error {
	open := r.open.Load()
	if size <= open {
		return nil
	}
	more := r.bytes[open:size]
	if err := unix.Mprotect(more, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return fmt.Errorf("open memory: %w", err)
	}
	r.open.Store(size)
	return unlessUnknown(unix.Madvise(more, unix.MADV_NOHUGEPAGE)) // 2 MiB for a byte would be too much
}

// Free implements experimental.LinearMemory. The owner's unmap is what frees.
func (r *region) Free() {}

// unmap frees the region. Nothing may run in it any more, nor look into it.
func (r *region) unmap() error {
	if r.bytes == nil {
		return nil
	}
	p, size := unsafe.Pointer(&r.bytes[0]), uintptr(len(r.bytes))
	r.bytes = nil
	if err := unix.MunmapPtr(p, size); err != nil {
		return fmt.Errorf("unmap memory: %w", err)
	}
	return nil
}

// unlessUnknown is err, but not that the system has no such feature.
func unlessUnknown(err error) error {
	if err == unix.EINVAL {
		return nil
	}
	return err
}

// image is what memories begin with: a file in memory that cannot change any more.
type image struct {
	file *os.File
	size uint64
}

// newImage copies content, which is in whole pages. Pages of zeros take no memory.
func newImage(content []byte) (_ *image, err error) {
	fd, err := unix.MemfdCreate("millrace", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate("millrace", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("create file in memory: %w", err)
	}
	m := &image{file: os.NewFile(uintptr(fd), "millrace"), size: uint64(len(content))}
	if err := m.write(content); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *image) write(content []byte) error {
	if err := m.file.Truncate(int64(len(content))); err != nil {
		return err
	}
	var zeros [imagePage]byte
	for at := 0; at < len(content); at += imagePage {
		if page := content[at : at+imagePage]; !bytes.Equal(page, zeros[:]) {
			if _, err := m.file.WriteAt(page, int64(at)); err != nil {
				return err
			}
		}
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(m.file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal image: %w", err)
	}
	return nil
}

// close gives the file back; memories that show it go on.
func (m *image) close() error { return m.file.Close() }

// imagePage is the smallest page of any system, and divides a page of WebAssembly.
const imagePage = 4096

// A region takes as many as mappingsPerRegion of the mappings that the system allows a process:
// what it shows of the image, what grew, what is reserved. Where none are left Go's own memory
// fails, which ends the process; so a quarter of them is not used.
const mappingsPerRegion = 3

// mostRegions is how many regions the process can hold; 0 is unknown.
func mostRegions() int {
	text, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		return 0
	}
	mappings, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return mappings / 4 * 3 / mappingsPerRegion
}
