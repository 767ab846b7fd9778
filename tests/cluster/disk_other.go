//go:build !linux

package cluster

func (n *Node) makeDisk(int64) { n.t.Skip("disks are mounted on Linux only") }

// FillDisk is for Linux.
func (n *Node) FillDisk() { n.t.Fatal("there is no disk of the node's own") }

// FreeDisk is for Linux.
func (n *Node) FreeDisk() { n.t.Fatal("there is no disk of the node's own") }
