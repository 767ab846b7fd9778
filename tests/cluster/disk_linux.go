package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// makeDisk gives the node a disk of its own, in memory, of so many bytes. It takes root.
func (n *Node) makeDisk(bytes int64) {
	n.t.Helper()
	if os.Geteuid() != 0 {
		n.t.Skip("only root can mount a disk")
	}
	if err := os.MkdirAll(n.data, 0o700); err != nil {
		n.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", n.data, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", bytes)); err != nil {
		n.t.Fatal(fmt.Errorf("mount a disk: %w", err))
	}
	n.t.Cleanup(func() {
		if err := syscall.Unmount(n.data, syscall.MNT_DETACH); err != nil {
			n.t.Error(err)
		}
	})
}

// FillDisk fills the node's disk, which Config.DiskBytes has given it, to the last byte.
func (n *Node) FillDisk() {
	n.t.Helper()
	f, err := os.Create(n.filler())
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	for piece := make([]byte, 4096); ; {
		if _, err := f.Write(piece); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			n.t.Fatal(err)
		}
	}
}

// FreeDisk ends a FillDisk.
func (n *Node) FreeDisk() {
	n.t.Helper()
	if err := os.Remove(n.filler()); err != nil {
		n.t.Fatal(err)
	}
}

func (n *Node) filler() string { return filepath.Join(n.data, "filler") }
