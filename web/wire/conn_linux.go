package wire

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// boundTCP sets how much the kernel keeps of what is sent, and how long it tries; see bound.
func boundTCP(c *net.TCPConn, sendBytes int, patience time.Duration) {
	control(c, func(fd int) { bound(fd, sendBytes, patience) })
}

// leaveTCP is leave for a connection of net/http's.
func leaveTCP(c *net.TCPConn, patience time.Duration, toUs bool) {
	control(c, func(fd int) { leave(fd, patience, toUs) })
}

// queueTCP is queue for a connection of net/http's.
func queueTCP(c *net.TCPConn) (waits bool, acked uint32) {
	control(c, func(fd int) { waits, acked = queue(fd) })
	return waits, acked
}

func control(c *net.TCPConn, set func(fd int)) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { set(int(fd)) })
	}
}

// bound sets how much the kernel keeps of what is sent, and how long it tries. What fails is a
// connection that is gone, or is no TCP.
func bound(fd, sendBytes int, patience time.Duration) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBytes/2) // the kernel takes twice that
	leave(fd, patience, false)
}

// leave has the kernel give a connection up whose network is cut or whose receiver keeps its window
// shut, so that a trickle is not sent in vain for hours, or leaves that to us. The kernel must not judge
// viewers that are behind: it takes one that reads on, but opens its window by less than what is first
// in the queue, for one that has kept it shut all the time, until the queue is empty.
func leave(fd int, patience time.Duration, toUs bool) {
	most := int((patience + patience/2).Milliseconds())
	if toUs {
		most = 0 // of the kernel's own, many minutes
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, most)
}

// queue tells whether the kernel has bytes that the receiver has not acknowledged, and of how many it
// ever did the low bits.
func queue(fd int) (waits bool, acked uint32) {
	bytes, err := unix.IoctlGetInt(fd, unix.TIOCOUTQ)
	if err != nil {
		return false, 0 // it is gone, as will be noticed
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return false, 0 // no TCP
	}
	return bytes > 0, uint32(info.Bytes_acked)
}
