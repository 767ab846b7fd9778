//go:build !linux

package wire

import (
	"net"
	"time"
)

// boundTCP leaves out the time that Linux can be told.
func boundTCP(c *net.TCPConn, sendBytes int, _ time.Duration) { _ = c.SetWriteBuffer(sendBytes) }

func leaveTCP(*net.TCPConn, time.Duration, bool) {}

func queueTCP(*net.TCPConn) (waits bool, acked uint32) { return false, 0 }
