package wire

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

func boundTCP(c *net.TCPConn, sendBytes int, patience time.Duration) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { bound(int(fd), sendBytes, patience) })
	}
}

// bound sets how much the kernel keeps of what is sent, and how long it tries while the network is
// cut or the receiver's window stays shut. What fails is a connection that is gone, or is no TCP.
func bound(fd, sendBytes int, patience time.Duration) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBytes/2) // the kernel takes twice that
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, max(int(patience.Milliseconds()), 1))
}
