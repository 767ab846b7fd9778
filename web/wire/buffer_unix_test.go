//go:build unix

package wire_test

import "syscall"

// smallBuffer has a socket take in as little as the system lets it.
func smallBuffer(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1)
}
