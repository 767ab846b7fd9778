//go:build !(linux && amd64)

package cluster

import "time"

// ClocksJump tells whether JumpClock works here.
const ClocksJump = false

// clock is for Linux on amd64.
type clock struct{}

// JumpClock is for Linux on amd64.
func (n *Node) JumpClock(time.Duration) { n.t.Fatal("the node's clock cannot be set") }
